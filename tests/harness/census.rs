//! Counts what a process holds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Threads that come and go (the kernel keeps 15 bytes of a name).
const PASSING: [&str; 5] = [
    "door-closer",
    "door-errand",
    "door-event",
    "door-names",
    "door-predicate",
];

/// Descriptors, window mappings and threads of a process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// Open descriptors by what they refer to, with numbers taken out.
    pub descriptors: BTreeMap<String, usize>,
    /// Mappings of memfds.
    pub mappings: usize,
    /// Threads.
    pub threads: usize,
}

impl Census {
    /// Of this process.
    #[must_use]
    pub fn of_self() -> Self {
        Self::of(std::process::id())
    }

    /// Of another process.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let mut descriptors = BTreeMap::new();
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .flatten()
        {
            if let Ok(target) = std::fs::read_link(entry.path()) {
                let kind: String = target
                    .to_string_lossy()
                    .chars()
                    .filter(|c| !c.is_ascii_digit())
                    .collect();
                *descriptors.entry(kind).or_default() += 1;
            }
        }
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let mappings = maps.lines().filter(|line| line.contains("/memfd:")).count();
        let threads = std::fs::read_dir(format!("/proc/{pid}/task"))
            .unwrap()
            .flatten()
            .filter(|task| {
                // Those who do what the leader does not do itself come when there is something, and go by themselves.
                let name = std::fs::read_to_string(task.path().join("comm"));
                name.is_ok_and(|name| !PASSING.contains(&name.trim_end()))
            })
            .count();
        Self {
            descriptors,
            mappings,
            threads,
        }
    }

    /// All descriptors.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        self.descriptors.values().sum()
    }

    /// Whether it has no more descriptors of any kind than another, and at most so many mappings.
    #[must_use]
    pub fn holds_no_more_than(&self, before: &Self, mappings: usize) -> bool {
        let mut kinds = self.descriptors.iter();
        let no_more = kinds.all(|(kind, count)| before.descriptors.get(kind) >= Some(count));
        no_more && self.mappings <= mappings
    }

    /// Waits until `look` is content with a census of `pid`; fails with the last one when it never is.
    ///
    /// What is counted settles after a peer has gone: a hang-up has to arrive.
    pub fn settle(pid: u32, what: &str, look: impl Fn(&Self) -> bool) -> Self {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let census = Self::of(pid);
            if look(&census) {
                return census;
            }
            assert!(Instant::now() < until, "{what}: {census:#?}");
            // A pause between two looks: what is looked at costs the machine some time itself.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
