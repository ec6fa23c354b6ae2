//! Where a test runs.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Keeps the calling thread, and the processes that it starts from here on, on one processor: there each side goes on when
/// the other waits or yields.
pub fn stay_on_one_processor() {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let cpu = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap());
    let mut set = CpuSet::new();
    set.set(cpu.unwrap()).unwrap();
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}
