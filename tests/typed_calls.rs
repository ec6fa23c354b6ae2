//! What a method learns of its call, and how it answers, between processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "peer/typed/office.rs"]
mod office;

use std::time::{Duration, Instant};

use doors::CallCondition;
use harness::typed::{condition, serve};
use harness::{Directory, Peer, Watchdog};
use office::{Desk, Office, OfficeClient, OfficeDoor};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn start(name: &str) -> (Peer, OfficeClient, Directory) {
    serve(PEER, "typed-office", name)
}

#[test]
fn a_method_sees_who_calls_and_the_interface_does_not_have_it() {
    let _watchdog = Watchdog::new("a_method_sees_who_calls_and_the_interface_does_not_have_it");
    let (_peer, office, _directory) = start("who");
    let me = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getpid().as_raw(),
    );
    let id = office.door().info().unwrap().id;
    // The first call travels on the connection, the second through a session.
    for after in [1, 2] {
        let (before, who, same) = office.who("x", after).unwrap();
        assert_eq!((before.as_str(), same), ("x", after));
        assert_eq!(who, (Some(me), id));
    }
    let method = OfficeDoor::INTERFACE.method(1).unwrap();
    assert_eq!(
        method.signature(),
        "fn who(before: &str, after: u32) -> (String, Who, u32)"
    );
    // Without a door between, the value is one like others.
    Desk::default().await_lingered(0, 0);
}

#[test]
fn a_method_learns_that_its_caller_has_given_up_or_was_killed() {
    let _watchdog = Watchdog::new("a_method_learns_that_its_caller_has_given_up_or_was_killed");
    let (_peer, office, directory) = start("linger");
    let path = directory.join("door");
    let mut visitor = Peer::start(PEER, "typed-visitor", &[path.to_str().unwrap(), "linger"]);
    visitor.expect("ready");
    office.await_lingered(1, 0).unwrap();
    visitor.kill();
    office.await_lingered(1, 1).unwrap();
    // One whose deadline passes, once the server has taken the call in time.
    let timed_out = |within| {
        let deadline = Instant::now() + Duration::from_millis(within);
        condition(office.until(deadline).linger())
    };
    let mut taken = (1..).map(timed_out).map(|condition| match condition {
        CallCondition::TimedOut { taken } => taken,
        other => panic!("{other:?}"),
    });
    assert!(taken.any(|taken| taken));
    office.await_lingered(2, 2).unwrap();
}

#[test]
fn a_method_knows_how_long_its_caller_waits() {
    let _watchdog = Watchdog::new("a_method_knows_how_long_its_caller_waits");
    let (_peer, office, _directory) = start("time left");
    let year = Duration::from_hours(365 * 24);
    let within = |time| office.until(Instant::now().checked_add(time).unwrap());
    // The first call travels on the connection, the others through a session.
    for _ in 0..2 {
        assert_eq!(office.time_left().unwrap(), None);
        let minute = Duration::from_mins(1);
        let left = within(minute).time_left().unwrap().unwrap();
        assert!(0 < left && left <= minute.as_nanos(), "{left}");
        // More than there is room for.
        let left = within(1000 * year).time_left().unwrap().unwrap();
        assert!(left >= (500 * year).as_nanos(), "{left}");
        // What comes after the arguments is none of them.
        let (before, _, after) = within(minute).who("x", 7).unwrap();
        assert_eq!((before.as_str(), after), ("x", 7));
    }
}

#[test]
fn time_that_a_caller_makes_up_is_harmless() {
    let _watchdog = Watchdog::new("time_that_a_caller_makes_up_is_harmless");
    let (_peer, office, _directory) = start("made up");
    let method = OfficeDoor::INTERFACE.method(2).unwrap();
    assert_eq!(method.name(), "time_left");
    let foot = [&[2, 0][..], &method.tag(), &[0x41]].concat();
    let answer = |rest: &[u8]| {
        let data = [rest, &foot[..]].concat();
        office.door().call(&data, vec![]).unwrap().data
    };
    // None left, all there is, some bytes of it, and too many.
    assert_eq!(answer(&[0; 8]), [&[1][..], &[0; 16], &[1, 0x81]].concat());
    assert!(matches!(answer(&[0xff; 8])[..], [1, .., 1, 0x81]));
    assert_eq!(answer(&[0; 7]), [1, 5, 0x81]);
    assert_eq!(answer(&[]), [1, 5, 0x81]);
    assert_eq!(answer(&[0; 9]), [2, 5, 0x81]);
    // Other bits of the version are another version.
    for version in [0x21, 0x43, 0x61] {
        let mut data = [&[0; 8], &foot[..]].concat();
        *data.last_mut().unwrap() = version;
        let answer = office.door().call(&data, vec![]).unwrap().data;
        assert_eq!(answer, [3, 0x81]);
    }
}
