//! Making, asking and limiting doors.

use std::os::fd::AsFd;

use doors::{
    CallCondition, CallState, Door, DoorAttributes, DoorCondition, DoorDesc, DoorError, DoorParams,
};
use harness::calls::{books, opened_and_received, start};
use harness::raw::{self, Outcome};
use harness::{Books, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn a_procedure_whose_end_comes_with_a_revocation_may_ask_the_library() {
    let _watchdog =
        Watchdog::new("a_procedure_whose_end_comes_with_a_revocation_may_ask_the_library");
    let directory = Directory::new("doors");
    let (path, log) = (directory.join("door"), directory.join("log"));
    let mut server = Peer::start(PEER, "restart-link", &[log.to_str().unwrap()]);
    server.say(&format!("create {}", path.display()));
    server.expect("created");
    server.say("create-curious");
    server.expect("created");
    let door = Door::open(&path).unwrap();
    let curious = door.call(b"s", vec![]).unwrap().descriptors.pop().unwrap();
    // A call on the second door has brought half of its arguments.
    let connection = raw::connect(&path);
    let session = raw::Session::open(&connection);
    let mut head = session.head(20);
    (head.registration, head.part) = (session.register(&curious), 10);
    session.publish(0, &head, 1);
    assert_eq!(session.wait(0, 1), Outcome::Answer(3, 0, 0));
    session.until_quiet(0);
    // Nothing but this call keeps that door any more.
    drop(curious);
    server.say("drop-secret");
    server.expect("dropped");
    // The rest comes without a ring, so that the revocation of the first door is what finds it.
    head.step = 2;
    session.publish_silently(0, &head, 2);
    server.say("revoke");
    server.expect("asked");
    server.expect("revoked");
    assert_eq!(session.wait(0, 2), Outcome::Answer(4, 1, 0));
}

#[test]
fn only_three_attributes_can_be_asked_for_by_flag() {
    let _watchdog = Watchdog::new("only_three_attributes");
    for bit in 0..32 {
        let asked = DoorAttributes::from_bits_retain(1 << bit);
        let made = Door::create(|call| call.door_return(b"", vec![]), asked);
        if DoorAttributes::CREATE.contains(asked) {
            let info = made.unwrap().info().unwrap();
            let reported = asked | DoorAttributes::LOCAL | DoorAttributes::IS_UNREF;
            assert_eq!(info.attributes, reported);
            assert_eq!(info.target, i32::try_from(std::process::id()).ok());
        } else {
            match made {
                Err(error) => assert_eq!(*error.condition(), DoorCondition::BadAttributes(asked)),
                other => panic!("bit {bit}: {other:?}"),
            }
        }
    }
}

#[test]
fn errors_name_the_door_and_what_was_beyond_its_limits() {
    let _watchdog = Watchdog::new("errors_name_the_door");
    let directory = Directory::new("labels");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    peer.say("params 2 4 100");
    peer.expect("ok");
    let pid = peer.pid();
    let [opened, received] = opened_and_received(&path);
    let name = path.display();
    let said = |error: &dyn std::error::Error| error.to_string();
    // Both by packet and through a session.
    for _ in 0..2 {
        assert_eq!(
            said(&opened.call(b"123", vec![]).unwrap_err()),
            format!(
                "call on door {name}: 3 bytes of data are fewer than the 4 that the door takes at least"
            )
        );
    }
    let id = opened.info().unwrap().id;
    let null = std::fs::File::open("/dev/null").unwrap();
    let many = (0..3).map(|_| DoorDesc::Lent(null.as_fd())).collect();
    assert_eq!(
        said(&received.call(b"1234", many).unwrap_err()),
        format!(
            "call on door #{id:016x} of pid {pid}: 3 descriptors are more than the 2 that the door takes"
        )
    );
    let error = received.call(&[0; 101], vec![]).unwrap_err();
    assert!(
        said(&error)
            .ends_with("101 bytes of data are more than the 100 that the door takes at most")
    );
    // Other verbs as well.
    let told = opened.revoke().unwrap_err();
    let only = "only the process that created the door may do this";
    assert_eq!(said(&told), format!("door {name}: {only}"));
    let told = received.revoke().unwrap_err();
    assert_eq!(said(&told), format!("door #{id:016x} of pid {pid}: {only}"));
    let own = Door::in_process(|call| call.door_return(b"", vec![])).unwrap();
    let told = own.bind().map(drop).unwrap_err();
    let (id, pid) = (own.info().unwrap().id, std::process::id());
    assert_eq!(said(&told), format!("door #{id:016x} of pid {pid}: {only}"));
    assert!(size_of::<DoorError>() <= 2 * size_of::<usize>());
    // A name says its path itself, once.
    let nowhere = directory.join("nowhere");
    let told = Door::open(&nowhere).map(drop).unwrap_err();
    assert_eq!(said(&told).matches("nowhere").count(), 1);
}

#[test]
fn a_door_tells_the_same_to_everybody() {
    let _watchdog = Watchdog::new("a_door_tells_the_same_to_everybody");
    let directory = Directory::new("info");
    let (mut peer, path) = start(PEER, &directory, "door", "no-cancel,private");
    peer.say("info");
    let own = peer.hear();
    let pid = i32::try_from(peer.pid()).unwrap();
    let id: u64 = own.split(' ').next().unwrap().parse().unwrap();
    let wanted = DoorAttributes::NO_CANCEL | DoorAttributes::PRIVATE;
    assert_eq!(
        own,
        format!("{id} Some({pid}) {:?}", wanted | DoorAttributes::LOCAL)
    );
    let books = books(&peer, &path);
    // By name, by a descriptor of its own, and by one that came out of another process.
    let by_name = Door::open(&path).unwrap();
    let by_token = Door::from_descriptor(by_name.descriptor().unwrap()).unwrap();
    let second = directory.join("giver");
    let arguments = [second.to_str().unwrap(), path.to_str().unwrap()];
    let mut second_server = Peer::start(PEER, "calls-giver", &arguments);
    second_server.expect("ready");
    let giver = Door::open(&second).unwrap();
    let fd = giver
        .call(b"", vec![])
        .unwrap()
        .descriptors
        .into_iter()
        .next()
        .unwrap();
    let received = Door::from_descriptor(fd).unwrap();
    for door in [&by_name, &by_token, &received] {
        let info = door.info().unwrap();
        assert_eq!(
            (info.id, info.target, info.attributes),
            (id, Some(pid), wanted)
        );
        assert_eq!(info.params.desc_max, i32::MAX.unsigned_abs());
        assert_eq!((info.params.data_min, info.params.data_max), (0, u64::MAX));
    }
    assert_ne!(giver.info().unwrap().id, id);
    drop((by_name, by_token, received, giver));
    second_server.kill();
    books.balance();
}

#[test]
fn ids_grow_and_differ_between_processes() {
    let _watchdog = Watchdog::new("ids_grow");
    let directory = Directory::new("ids");
    let mut ids = Vec::new();
    for at in 0..5 {
        let (peer, path) = start(PEER, &directory, &at.to_string(), "");
        let books = Books::of(&peer).and_threads(1);
        ids.push(Door::open(path).unwrap().info().unwrap().id);
        books.balance();
    }
    let mut own = Vec::new();
    for _ in 0..5 {
        let door = Door::create(
            |call| call.door_return(b"", vec![]),
            DoorAttributes::empty(),
        );
        own.push(door.unwrap().info().unwrap().id);
    }
    assert!(own.is_sorted_by(|one, next| one < next), "{own:?}");
    ids.extend(own);
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn a_door_whose_server_was_killed_has_no_target() {
    let _watchdog = Watchdog::new("a_door_whose_server_was_killed");
    let directory = Directory::new("killed");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let [called, asked] = opened_and_received(&path);
    let unknown = Door::open(&path).unwrap();
    called.call(b"e", vec![]).unwrap();
    called.call(b"e", vec![]).unwrap();
    let id = asked.info().unwrap().id;
    peer.kill();
    for door in [&called, &asked] {
        let info = door.info().unwrap();
        assert_eq!((info.id, info.target), (id, None));
        assert!(info.figures.is_none());
        assert_eq!(
            door.call(b"e", vec![]).unwrap_err().call_state(),
            CallState::NotExecuted
        );
    }
    assert_eq!(
        *unknown.info().unwrap_err().condition(),
        DoorCondition::NoDoor
    );
    assert_eq!(
        *Door::from_descriptor(std::fs::File::open("/dev/null").unwrap().into())
            .unwrap_err()
            .condition(),
        DoorCondition::NotADoor
    );
}

#[test]
fn parameters_are_checked_as_door_setparam_does() {
    let _watchdog = Watchdog::new("parameters_are_checked");
    let directory = Directory::new("params");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let (mut refusing, refusing_path) = start(PEER, &directory, "refusing", "refuse");
    // Whoever only asks has no session; the pool's first thread may be on its way.
    let books = [&peer, &refusing].map(|peer| Books::of(peer).and_threads(1));
    let most = u64::MAX;
    for (words, outcome) in [
        (format!("params 2147483647 0 {most}"), "ok"),
        (format!("params 2147483648 0 {most}"), "ERANGE"),
        ("params 0 5 4".into(), "EINVAL"),
        ("params 0 5 5".into(), "ok"),
        ("params 3 0 100".into(), "ok"),
    ] {
        peer.say(&words);
        peer.expect(outcome);
    }
    for (words, outcome) in [("params 1 0 9", "EOPNOTSUPP"), ("params 0 0 9", "ok")] {
        refusing.say(words);
        refusing.expect(outcome);
    }
    let door = Door::open(&path).unwrap();
    let params = DoorParams {
        desc_max: 3,
        data_min: 0,
        data_max: 100,
    };
    assert_eq!(door.params().unwrap(), params);
    let error = door.set_params(params).unwrap_err();
    assert_eq!(*error.condition(), DoorCondition::NotCreator);
    assert_eq!(
        Door::open(&refusing_path)
            .unwrap()
            .params()
            .unwrap()
            .desc_max,
        0
    );
    peer.say("revoke");
    peer.expect("Ok(())");
    peer.say("params 1 0 9");
    peer.expect("NoDoor");
    // Readable still, from everywhere.
    assert_eq!(door.params().unwrap(), params);
    drop(door);
    for books in books {
        books.balance();
    }
}

#[test]
fn the_limits_of_a_door_hold_at_their_very_ends() {
    let _watchdog = Watchdog::new("the_limits_of_a_door");
    let directory = Directory::new("limits");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    // One caller has one channel, whatever ends meanwhile: with areas for the calls of 200,000 bytes and of 10 MB.
    let books = books(&peer, &path).and_mappings(4);
    peer.ask("params 2 4 20000", "ok");
    let null = std::fs::File::open("/dev/null").unwrap();
    let call = |door: &Door, size: usize, count: usize| {
        let fds = (0..count).map(|_| DoorDesc::Lent(null.as_fd())).collect();
        door.call(&vec![b'e'; size], fds)
            .map(|reply| (reply.data.len(), reply.descriptors.len()))
    };
    let size = |len| {
        let limit = if len < 4 { 4 } else { 20_000 };
        (CallCondition::DataSize { len, limit }, libc::ENOBUFS)
    };
    let many = |count| {
        let limit = 2;
        let condition = CallCondition::TooManyDescriptors { count, limit };
        (condition, libc::ENFILE)
    };
    for at in 0..2 {
        for (bytes, count, wanted) in [
            (3, 0, Err(size(3))),
            (0, 0, Err(size(0))),
            (4, 0, Ok(())),
            (4, 2, Ok(())),
            (4, 3, Err(many(3))),
            (20_000, 2, Ok(())),
            (20_001, 0, Err(size(20_001))),
            (20_001, 3, Err(size(20_001))),
            (200_000, 0, Err(size(200_000))),
            (10 << 20, 0, Err(size(10 << 20))),
            (4, 1000, Err(many(1000))),
        ] {
            // Anew for each: the first call of an opened door is a packet.
            let door = &opened_and_received(&path)[at];
            match (call(door, bytes, count), wanted) {
                (Ok(came), Ok(())) => assert_eq!(came, (bytes, count)),
                (Err(error), Err((condition, errno))) => {
                    assert_eq!((&error.condition, error.errno()), (&condition, errno));
                    assert_eq!(error.call_state(), CallState::NotExecuted);
                }
                (came, wanted) => panic!("{bytes} bytes, {count}: {came:?}, wanted {wanted:?}"),
            }
        }
    }
    // They limit what comes, never what is answered.
    let door = Door::open(&path).unwrap();
    assert_eq!(
        door.call(b"bytes 30000", vec![]).unwrap().data.len(),
        30_000
    );
    assert_eq!(
        door.call(b"files 5 30000", vec![])
            .unwrap()
            .descriptors
            .len(),
        5
    );
    // A change counts for the calls that start later.
    peer.say("params 0 0 5");
    peer.expect("ok");
    let error = call(&door, 5, 1).unwrap_err();
    let none = CallCondition::TooManyDescriptors { count: 1, limit: 0 };
    assert_eq!((error.condition, call(&door, 5, 0).unwrap().0), (none, 5));
    drop(door);
    books.balance();
}

#[test]
fn private_doors_that_come_and_go_use_no_channel_up() {
    let _watchdog = Watchdog::new("private_doors_that_come_and_go");
    let directory = Directory::new("private");
    let (peer, path) = start(PEER, &directory, "door", "");
    // Channels of pools that have ended are used again once the session may have no more: 256, in seven pairs.
    let books = books(&peer, &path).and_mappings(12);
    let [_, door] = opened_and_received(&path);
    // More than a session has channels, each with a pool of its own; all callers in one session.
    for _ in 0..300 {
        let mut reply = door.call(b"new-private-door", vec![]).unwrap();
        let new = Door::from_descriptor(reply.descriptors.remove(0)).unwrap();
        assert_eq!(new.call(b"", vec![]).unwrap().data, b"new");
    }
    drop(door);
    books.balance();
}
