//! What the threads of a process are waiting for, as the kernel tells.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

/// The number and the arguments of the system call in which a thread sleeps; empty if it runs.
fn system_call(task: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(task.join("syscall")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn is_call(words: &[String], numbers: &[libc::c_long]) -> bool {
    let number = words.first().and_then(|word| word.parse().ok());
    number.is_some_and(|number| numbers.contains(&number))
}

/// Whether a thread sleeps on a word that its process shares with others.
fn sleeps_on_a_shared_word(task: &Path) -> bool {
    let words = system_call(task);
    // FUTEX_WAIT without the private flag that the locks of one process use.
    is_call(&words, &[libc::SYS_futex]) && words.get(2).is_some_and(|flags| flags == "0x0")
}

/// Whether a thread waits for a packet.
fn waits_for_a_packet(task: &Path) -> bool {
    #[cfg(target_arch = "x86_64")]
    let polls = [libc::SYS_poll, libc::SYS_ppoll];
    #[cfg(not(target_arch = "x86_64"))]
    let polls = [libc::SYS_ppoll];
    is_call(&system_call(task), &polls)
}

/// How a thread of a server sleeps until the next turn of a channel comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asleep {
    /// The sleep ends by itself.
    pub has_timeout: bool,
    /// On so many processors the thread may run.
    pub processors: u32,
}

/// How the threads of a process sleep that sleep on a word which it shares with others. No call may be on its way.
#[must_use]
pub fn asleep_in_turns(pid: u32) -> Vec<Asleep> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let sleeping = tasks.flatten().filter_map(|task| {
        if !sleeps_on_a_shared_word(&task.path()) {
            return None;
        }
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let timeout = system_call(&task.path()).get(4).cloned()?;
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed:"))?;
        Some(Asleep {
            has_timeout: timeout != "0x0",
            processors: mask
                .chars()
                .filter_map(|digit| digit.to_digit(16))
                .map(u32::count_ones)
                .sum(),
        })
    });
    sleeping.collect()
}

/// Waits until a thread of the process sleeps on a word that it shares with others: in a call through a session.
pub fn until_asleep_in_a_call(pid: u32) {
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        if tasks
            .flatten()
            .any(|task| sleeps_on_a_shared_word(&task.path()))
        {
            return;
        }
        std::thread::yield_now();
    }
}

/// Makes a call on a thread of its own; comes back when that thread waits for its answer, however it travels.
///
/// The call must be one that is not answered before the test goes on.
pub fn calling<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let (tell, told) = channel();
    let thread = std::thread::spawn(move || {
        tell.send(nix::unistd::gettid()).unwrap();
        call()
    });
    let task = PathBuf::from(format!("/proc/self/task/{}", told.recv().unwrap()));
    while !sleeps_on_a_shared_word(&task) && !waits_for_a_packet(&task) {
        assert!(!thread.is_finished(), "the call was answered at once");
        std::thread::yield_now();
    }
    thread
}
