//! What a first contact costs: each system call by its name, on both sides.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::collections::BTreeMap;

use harness::trace::{can_trace, counted, traced};
use harness::{Directory, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
/// Contacts that are compared with none; so much of each system call is one for a contact.
const CONTACTS: u64 = 100;
/// System calls that are nobody's: threads that come and go, a wait that was interrupted.
const FEW: u64 = 12;

/// What a name is opened, called and closed with: the system call, how often in [`CONTACTS`] of them at most, and why
/// it cannot be left out. Whoever takes a step away lowers its number. `benches/peer/contact.rs` has the steps that are left where nobody has to wait; strace makes each
/// side so slow that the other sleeps.
const CALLER: [(&str, u64, &str); 11] = [
    (
        "socket",
        100,
        "of its own, since the connection is the reference",
    ),
    ("connect", 100, "does not wait for room in the backlog"),
    ("sendto", 100, "the call"),
    (
        "sched_yield",
        100,
        "the server may be on this processor and need it",
    ),
    ("recvmsg", 150, "looks for the answer, then sleeps for it"),
    (
        "setsockopt",
        200,
        "before it sleeps: SO_PASSCRED tells an empty packet from an end, SO_RCVTIMEO ends each wait",
    ),
    ("ioctl", 100, "FIONBIO, before it sleeps"),
    (
        "poll",
        100,
        "whether something lies in the queue that is slow to close",
    ),
    ("close", 100, "ends the reference"),
    (
        "fcntl",
        100,
        "std looks whether what it closes is open, in programs that are built with checks",
    ),
    ("ppoll", 100, "poll on other machines"),
];
const SERVER: [(&str, u64, &str); 15] = [
    ("accept4", 100, "takes the connection"),
    (
        "getsockopt",
        150,
        "SO_PEERCRED; SO_PEERPIDFD of one who did not call last",
    ),
    ("recvmsg", 225, "the call; the end, and once in vain"),
    ("sendto", 100, "the answer"),
    (
        "close",
        150,
        "the connection, and the pidfd of one who has gone",
    ),
    (
        "fcntl",
        150,
        "std looks whether what it closes is open, in programs that are built with checks",
    ),
    (
        "sched_yield",
        150,
        "the caller may be on this processor and need it",
    ),
    (
        "poll",
        225,
        "one look at the listener and the last connection; at the pidfd of who has called last",
    ),
    (
        "epoll_wait",
        250,
        "sleeps if nobody came; whoever stands by, too",
    ),
    (
        "epoll_ctl",
        400,
        "sets the bell and silences it for a call that takes long, as all do here; watches a connection that outlives its \
         call, and no longer",
    ),
    ("ioctl", 50, "PIDFD_GET_INFO of one who did not call last"),
    (
        "prlimit64",
        100,
        "how many descriptors there may be, once a millisecond",
    ),
    ("newfstatat", 100, "how many there are, once a millisecond"),
    (
        "timerfd_settime",
        50,
        "silent connections end at their deadline",
    ),
    ("read", 50, "whoever leads was woken"),
];

/// The system calls of caller and server for so many contacts.
fn run(directory: &Directory, contacts: u64) -> [BTreeMap<String, u64>; 2] {
    let path = directory.join(&format!("door-{contacts}"));
    let path = path.to_str().unwrap();
    let files = [
        directory.join(&format!("caller-{contacts}")),
        directory.join(&format!("server-{contacts}")),
    ];
    let [ours, theirs] = &files;
    let mut server = traced(PEER, theirs, "threads-server", &[path]);
    server.expect("ready");
    let mut caller = traced(PEER, ours, "threads-brief", &[path, &contacts.to_string()]);
    caller.expect("done");
    assert!(caller.finish().success() && server.finish().success());
    files.map(|file| counted(&file))
}

/// What was made more often than the table has it: name, how often, how often it may be.
fn too_many(
    few: &BTreeMap<String, u64>,
    many: &BTreeMap<String, u64>,
    table: &[(&str, u64, &str)],
) -> Vec<(String, u64, u64)> {
    let allowed = |name: &str| {
        let row = table.iter().find(|(known, _, _)| *known == name);
        row.map_or(0, |(_, most, _)| *most)
    };
    many.iter()
        .map(|(name, made)| {
            let made = made.saturating_sub(few.get(name).copied().unwrap_or(0));
            (name.clone(), made, allowed(name))
        })
        .filter(|(_, made, most)| *made > most + FEW)
        .collect()
}

#[test]
fn a_first_contact_makes_no_more_system_calls_than_it_needs() {
    let _watchdog = Watchdog::new("a_first_contact_makes_no_more_system_calls_than_it_needs");
    if !can_trace() {
        return;
    }
    // A machine that stops one side has the other wait longer: one run of some has to be left alone.
    let mut found = Vec::new();
    while found.len() < 8 {
        let directory = Directory::new("contacts");
        let few = run(&directory, 10);
        let many = run(&directory, 10 + CONTACTS);
        let [our_few, their_few] = few;
        let [our_many, their_many] = many;
        let made = our_many.get("connect").copied();
        assert!(
            made.is_some_and(|made| made > CONTACTS),
            "strace counted nothing"
        );
        let caller = too_many(&our_few, &our_many, &CALLER);
        let server = too_many(&their_few, &their_many, &SERVER);
        if caller.is_empty() && server.is_empty() {
            return;
        }
        found.push((caller, server));
    }
    panic!("more than {CONTACTS} contacts need, caller and server: {found:?}");
}
