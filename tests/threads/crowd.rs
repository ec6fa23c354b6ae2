//! More callers than processors.

use harness::{Peer, Watchdog};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::server::{PEER, Server, call};

/// Callers that pass so many quick calls between two that wait for all others.
const CALLERS: usize = 16;

/// Keeps what this thread starts on two processors, which are short then on any machine.
fn on_two_processors() {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).unwrap();
    let mut two = CpuSet::new();
    let is_allowed = |cpu: &usize| allowed.is_set(*cpu).unwrap();
    for cpu in (0..CpuSet::count()).filter(is_allowed).take(2) {
        two.set(cpu).unwrap();
    }
    sched_setaffinity(this, &two).unwrap();
}

/// Has the callers meet in the server's procedure, with quick calls in between that make a crowd.
fn meet(server: &Server, rounds: &str) {
    let (path, callers) = (server.path(), CALLERS.to_string());
    let arguments = [path.to_str().unwrap(), &callers, rounds, "100"];
    let mut clients = [
        Peer::start(PEER, "threads-meeting", &arguments),
        Peer::start(PEER, "threads-meeting", &arguments),
    ];
    for client in &mut clients {
        client.expect("all met");
        assert!(client.finish().success());
    }
}

#[test]
fn a_call_that_waits_in_a_crowd_is_not_left_to_threads_that_are_busy() {
    let _watchdog = Watchdog::new("a_call_that_waits_in_a_crowd");
    on_two_processors();
    let threads = format!("floor={}", 3 * CALLERS);
    let server = Server::start("crowd", &[&threads, "meeting=32"]);
    // As many threads as callers, so that some are idle in each crowd.
    meet(&server, "100");
    call(&server.door, "t");
}

#[test]
fn a_crowd_with_few_threads_gets_more_of_the_librarys_own_and_of_no_others() {
    let _watchdog = Watchdog::new("a_crowd_with_few_threads");
    on_two_processors();
    let crowd = |server: &Server, calls: &str| -> Vec<Peer> {
        let path = server.path();
        let arguments = [path.to_str().unwrap(), calls];
        (0..2 * CALLERS)
            .map(|_| Peer::start(PEER, "threads-steady", &arguments))
            .collect()
    };
    let mut foreign = Server::start("foreign", &["creator=start"]);
    for mut caller in crowd(&foreign, "4000") {
        caller.expect("done");
    }
    // Those of the callback were asked for where nobody was parked.
    let created = foreign.ask("created");
    let asked = created.split(' ').filter(|line| line.contains(":true:"));
    assert!(foreign.threads() <= asked.count() + 1, "{created}");
    let mut own = Server::start("own", &[]);
    let callers = crowd(&own, "4000000000");
    // So many calls that last no longer than these never run at a time.
    while own.threads() < CALLERS {}
    drop(callers);
}
