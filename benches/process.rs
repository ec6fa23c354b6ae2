//! What the kernel tells about a process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use crate::Result;
use crate::statistics::float;

/// Context switches of each thread of a process so far, wanted and unwanted.
pub(crate) fn switches(pid: Pid) -> Result<BTreeMap<OsString, u64>> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?;
        let status = match fs::read_to_string(task.path().join("status")) {
            Ok(status) => status,
            // The thread has ended since it was listed.
            Err(gone) if is_gone(&gone) => continue,
            Err(other) => return Err(other.into()),
        };
        let mut sum = 0_u64;
        for line in status.lines() {
            // `voluntary_ctxt_switches:` and `nonvoluntary_ctxt_switches:` (proc_pid_status(5))
            if let Some((name, count)) = line.split_once(':')
                && name.ends_with("voluntary_ctxt_switches")
            {
                sum = sum.saturating_add(count.trim().parse()?);
            }
        }
        threads.insert(task.file_name(), sum);
    }
    Ok(threads)
}

/// ENOENT, or ESRCH if the thread ends between open and read (`proc(5)`).
fn is_gone(error: &std::io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::ENOENT | Errno::ESRCH))
}

/// Context switches between two looks. A thread that has ended meanwhile has run at least once.
pub(crate) fn switches_between(
    before: &BTreeMap<OsString, u64>,
    after: &BTreeMap<OsString, u64>,
) -> f64 {
    let grown = after.iter().map(|(thread, count)| {
        let known = before.get(thread).copied().unwrap_or_default();
        count.saturating_sub(known)
    });
    let ended = before.keys().filter(|thread| !after.contains_key(*thread));
    let all = grown.chain(ended.map(|_| 1));
    float(all.fold(0, u64::saturating_add))
}

/// How many entries a directory of a process has, `fd` or `task`.
pub(crate) fn entries(pid: Pid, directory: &str) -> Result<f64> {
    let entries = fs::read_dir(format!("/proc/{pid}/{directory}"))?.count();
    Ok(float(u64::try_from(entries)?))
}

/// How many descriptors a process may have now.
pub(crate) fn descriptor_limit(pid: Pid) -> Result<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    // `Max open files  soft  hard  files` (proc_pid_limits(5))
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    Ok(soft.ok_or("no limit of descriptors")?.parse()?)
}

/// As many descriptors as the administrator lets this process have; how many.
pub(crate) fn raise_descriptors() -> Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_come_or_go_have_run() {
        let threads = |counts: &[(&str, u64)]| {
            let counts = counts.iter();
            counts
                .map(|(name, count)| (OsString::from(name), *count))
                .collect()
        };
        let before: BTreeMap<_, _> = threads(&[("1", 10), ("2", 7)]);
        assert!(switches_between(&before, &before) < 0.5);
        let after = threads(&[("1", 12), ("3", 4)]);
        let switches = switches_between(&before, &after);
        assert!((switches - 7.0).abs() < 0.5, "{switches}");
    }

    #[test]
    fn our_own_limit_is_found() {
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(descriptor_limit(nix::unistd::getpid()).unwrap(), soft);
    }

    #[test]
    fn our_own_threads_are_counted() {
        let threads = switches(nix::unistd::getpid()).unwrap();
        assert!(!threads.is_empty());
    }
}
