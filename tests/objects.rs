//! Services that hand out descriptors, and doors of objects, between processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "peer/typed/library.rs"]
mod library;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread;

use doors::ProcedureError;
use doors::typed::Fd;
use harness::typed::serve;
use harness::{Census, Directory, Peer, Watchdog};
use library::{Count, CounterDoor, LibraryClient, LibraryDoor, Parcel, file_with, text_of};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn start(name: &str) -> (Peer, LibraryClient, Directory) {
    serve(PEER, "typed-library", name)
}

#[test]
fn descriptors_go_there_and_come_back() {
    let _watchdog = Watchdog::new("descriptors_go_there_and_come_back");
    let (_peer, library, _directory) = start("descriptors");
    let file = library.write("one").unwrap();
    assert_eq!(text_of(file.try_clone().unwrap()), "one");
    assert!(matches!(
        library.write(""),
        Err(ProcedureError::Returned(_))
    ));
    let read = library
        .read(file, None, vec![file_with("two"), file_with("three")])
        .unwrap();
    assert_eq!(read, ["one", "two", "three"]);
    let read = library
        .read(file_with("a"), Some(file_with("b")), vec![])
        .unwrap();
    assert_eq!(read, ["a", "b"]);

    let files = ["a", "b", "c", "d"].map(file_with);
    for _ in 0..3 {
        let read = library
            .peek(
                files[0].as_fd(),
                Some(files[1].as_fd()),
                &files[2],
                &files[3..],
            )
            .unwrap();
        assert_eq!(read, ["a", "b", "c", "d"]);
    }

    let mut word = String::new();
    let mut connection = library.connect("hello").unwrap().unwrap();
    connection.read_to_string(&mut word).unwrap();
    assert_eq!(word, "hello");
    assert!(library.connect("").unwrap().is_none());
}

#[test]
fn descriptors_inside_values_keep_their_places() {
    let _watchdog = Watchdog::new("descriptors_inside_values_keep_their_places");
    let (peer, library, _directory) = start("nested");
    let file = |text| Some(Fd(file_with(text)));
    let texts = |parcel: &Parcel| -> Vec<String> {
        let copy = |fd: &dyn AsFd| File::from(fd.as_fd().try_clone_to_owned().unwrap());
        let more = parcel.more.values().flatten().flatten();
        [copy(&parcel.main.0)]
            .into_iter()
            .chain(more.map(|each| copy(&each.0)))
            .map(text_of)
            .collect()
    };
    // The first calls make what stays: a session, threads, descriptor sockets.
    let turn = || {
        let parcel = Parcel {
            name: "abc".to_owned(),
            main: Fd(OwnedFd::from(file_with("main"))),
            more: BTreeMap::from([
                (2, vec![file("second"), None]),
                (1, vec![None, file("first")]),
                (3, vec![]),
            ]),
        };
        let parcel = library.turn(parcel).unwrap();
        assert_eq!(parcel.name, "cba");
        assert_eq!(texts(&parcel), ["second", "first", "second"]);
        assert_eq!(parcel.more[&1].len(), 2);
    };
    turn();
    turn();
    let before = [Census::of_self(), Census::of(peer.pid())];
    for _ in 0..50 {
        turn();
    }
    for (pid, before) in [std::process::id(), peer.pid()].into_iter().zip(before) {
        Census::settle(pid, "after parcels", |now| {
            now.descriptors() <= before.descriptors()
        });
    }
    // A value with a descriptor is for calls of doors.
    let alone = serde_json::to_string(&Fd(file_with("x")));
    assert!(alone.unwrap_err().to_string().contains("calls of doors"));
}

#[test]
fn arguments_without_their_descriptors_are_refused() {
    let _watchdog = Watchdog::new("arguments_without_their_descriptors_are_refused");
    let (_peer, library, _directory) = start("missing");
    let method = LibraryDoor::INTERFACE.method(2).unwrap();
    // `read` with a second file and one more, and so many descriptors.
    let data = [1, 1, 0, 0, 0];
    let call = |data: &[u8], many: usize| {
        let files = (0..many).map(|_| file_with("text").into()).collect();
        let data = [data, &[2, 0], &method.tag(), &[1]].concat();
        library.door().call(&data, files).unwrap().data
    };
    assert_eq!(call(&data, 0), b"\x07first\x05\x81");
    assert_eq!(call(&data, 2), b"\x07rest\x05\x81");
    assert!(call(&data, 3).ends_with(b"\x01\x81"));
    // More than there are in the arguments are closed.
    assert!(call(&data, 9).ends_with(b"\x01\x81"));
    // Four thousand million files, and none of them there.
    let bomb = [0, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(call(&bomb, 1), b"\x05rest\x05\x81");
    let many = [0, 0xff, 0xff, 0, 0];
    assert_eq!(call(&many, 4), b"\x07rest\x05\x81");
}

/// Waits until a library has so many counters.
fn settled(library: &LibraryClient, live: u64) {
    while library.live().unwrap() != live {
        thread::yield_now();
    }
}

#[test]
fn an_object_goes_with_its_last_reference() {
    let _watchdog = Watchdog::new("an_object_goes_with_its_last_reference");
    let (_peer, library, _directory) = start("object");
    let counter = library.count(40).unwrap();
    assert_eq!(counter.next().unwrap(), 40);
    let same = counter.clone();
    drop(counter);
    assert_eq!(same.next().unwrap(), 41);
    assert_eq!(library.live().unwrap(), 1);
    // It travels on, and comes back.
    let same = library.drive(same, 8).unwrap();
    assert_eq!(same.next().unwrap(), 50);
    drop(same);
    settled(&library, 0);

    let many = library.counters(200).unwrap();
    for (at, counter) in many.iter().enumerate() {
        assert_eq!(counter.next().unwrap(), u64::try_from(at).unwrap());
    }
    assert_eq!(library.live().unwrap(), 200);
    drop(many);
    settled(&library, 0);
}

#[test]
fn a_client_that_is_killed_leaves_no_objects() {
    let _watchdog = Watchdog::new("a_client_that_is_killed_leaves_no_objects");
    let (peer, library, directory) = start("killed");
    let keep = library.count(1).unwrap();
    let path = directory.join("door");
    let before = Census::of(peer.pid());
    for _ in 0..3 {
        let mut holder = Peer::start(PEER, "typed-holder", &[path.to_str().unwrap()]);
        holder.expect("ready");
        assert_eq!(library.live().unwrap(), 101);
        holder.kill();
        settled(&library, 1);
    }
    Census::settle(peer.pid(), "after holders", |now| {
        now.descriptors() <= before.descriptors().saturating_add(2)
    });
    assert_eq!(keep.next().unwrap(), 1);
}

#[test]
fn a_server_calls_an_object_of_its_caller() {
    let _watchdog = Watchdog::new("a_server_calls_an_object_of_its_caller");
    let (_peer, library, _directory) = start("callback");
    let live = Arc::new(Mutex::new(0));
    let mine = CounterDoor::serve_object(Count::new(0, &live)).unwrap();
    let back = library.drive(mine.clone(), 5).unwrap();
    assert_eq!(mine.next().unwrap(), 5);
    assert_eq!(back.next().unwrap(), 6);
}
