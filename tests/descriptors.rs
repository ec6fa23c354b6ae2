//! Descriptors in calls and replies.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Once;

use doors::{CallCondition, CallState, Door, DoorDesc};
use harness::{Census, Directory, Peer, Watchdog};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::eventfd::EventFd;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::fstat;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn start(directory: &Directory, name: &str, words: &str) -> (Peer, PathBuf) {
    static RAISED: Once = Once::new();
    RAISED.call_once(|| {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    });
    let path = directory.join(name);
    let mut peer = Peer::start(PEER, "calls-serve", &[path.to_str().unwrap(), words]);
    peer.expect("ready");
    (peer, path)
}

/// A door whose next call goes through a session.
fn warm(path: &PathBuf) -> Door {
    let door = Door::open(path).unwrap();
    door.call(b"", vec![]).unwrap();
    door.call(b"", vec![]).unwrap();
    door
}

/// One door whose next call is a packet, one whose next goes through a session.
fn both(path: &PathBuf) -> [Door; 2] {
    [Door::open(path).unwrap(), warm(path)]
}

fn numbered(number: usize) -> OwnedFd {
    let mut file = File::from(memfd_create(c"numbered", MFdFlags::MFD_CLOEXEC).unwrap());
    write!(file, "{number}").unwrap();
    file.into()
}

fn number_in(fd: OwnedFd) -> usize {
    let mut text = String::new();
    let mut file = File::from(fd);
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    text.parse().unwrap()
}

fn is_close_on_exec(fd: &OwnedFd) -> bool {
    FdFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFD).unwrap()).contains(FdFlag::FD_CLOEXEC)
}

/// A pipe whose reading end does not block.
fn pipe() -> (File, OwnedFd) {
    let (from, to) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
    (File::from(from), to)
}

/// Whether all copies of a pipe's writing end are closed.
fn is_at_end(from: &mut File) -> bool {
    matches!(from.read(&mut [0]), Ok(0))
}

#[test]
fn every_number_of_descriptors_travels_both_ways_in_order() {
    let _watchdog = Watchdog::new("every_number_of_descriptors_travels");
    let directory = Directory::new("counts");
    let (peer, path) = start(&directory, "door", "");
    warm(&path);
    let before = Census::of(peer.pid());
    for count in [0, 1, 2, 252, 253, 254, 506, 507, 1023, 1024, 3] {
        for door in both(&path) {
            let files: Vec<_> = (0..count).map(|at| DoorDesc::from(numbered(at))).collect();
            let reply = door.call(b"e", files).unwrap();
            assert_eq!(reply.descriptors.len(), count);
            assert!(reply.descriptors.iter().all(is_close_on_exec));
            for (at, fd) in reply.descriptors.into_iter().enumerate() {
                assert_eq!(number_in(fd), at, "of {count}");
            }
        }
    }
    for door in both(&path) {
        let one = File::open("/dev/null").unwrap();
        let many = (0..1025).map(|_| DoorDesc::Lent(one.as_fd())).collect();
        let error = door.call(b"e", many).unwrap_err();
        assert_eq!(
            error.condition,
            CallCondition::TooManyDescriptors {
                count: 1025,
                limit: 1024
            }
        );
        assert_eq!(
            (error.errno(), error.call_state()),
            (libc::E2BIG, CallState::NotExecuted)
        );
        assert!(door.call(b"e", vec![]).unwrap().descriptors.is_empty());
    }
    Census::settle(peer.pid(), "nothing that travelled stays", |census| {
        census.descriptors() <= before.descriptors() + 4
    });
}

#[test]
fn every_kind_of_descriptor_travels() {
    let _watchdog = Watchdog::new("every_kind_of_descriptor_travels");
    let directory = Directory::new("kinds");
    let (_peer, path) = start(&directory, "door", "");
    let (from, to) = pipe();
    let (one, _other) = UnixStream::pair().unwrap();
    let flags = nix::sys::eventfd::EfdFlags::EFD_CLOEXEC;
    let own = warm(&path);
    let kinds: Vec<OwnedFd> = vec![
        File::open("/dev/null").unwrap().into(),
        File::open(directory.path()).unwrap().into(),
        from.into(),
        to,
        one.into(),
        EventFd::from_flags(flags).unwrap().into(),
        numbered(5),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().into(),
        own.descriptor().unwrap(),
    ];
    let stats: Vec<_> = kinds.iter().map(|fd| fstat(fd).unwrap()).collect();
    for door in both(&path) {
        let lent = || kinds.iter().map(|fd| DoorDesc::Lent(fd.as_fd())).collect();
        // The server's own: the same objects, close-on-exec there.
        let seen = door.call(b"look", lent()).unwrap().data;
        let wanted: Vec<_> = stats
            .iter()
            .map(|stat| format!("{}:{}:true", stat.st_dev, stat.st_ino))
            .collect();
        assert_eq!(String::from_utf8(seen).unwrap(), wanted.join(" "));
        // And back.
        let back = door.call(b"e", lent()).unwrap().descriptors;
        for (fd, stat) in back.iter().zip(&stats) {
            let now = fstat(fd).unwrap();
            assert_eq!((now.st_dev, now.st_ino), (stat.st_dev, stat.st_ino));
            assert!(is_close_on_exec(fd));
        }
    }
    // A door that travels is callable there, also the very door that is called.
    for door in both(&path) {
        let reply = door
            .call(b"call-it e-inner", vec![own.to_desc().unwrap()])
            .unwrap();
        assert_eq!(reply.data, b"e-inner");
    }
}

#[test]
fn an_open_file_is_shared_and_may_travel_twice() {
    let _watchdog = Watchdog::new("an_open_file_is_shared");
    let directory = Directory::new("shared");
    let (_peer, path) = start(&directory, "door", "");
    std::fs::write(directory.join("file"), b"abcdef").unwrap();
    let mut file = File::open(directory.join("file")).unwrap();
    for door in both(&path) {
        file.seek(SeekFrom::Start(2)).unwrap();
        let lent = DoorDesc::Lent(file.as_fd());
        assert_eq!(door.call(b"read", vec![lent]).unwrap().data, b"c");
        assert_eq!(
            file.stream_position().unwrap(),
            3,
            "the offset is not shared"
        );
        let twice = vec![DoorDesc::Lent(file.as_fd()), DoorDesc::Lent(file.as_fd())];
        let back = door.call(b"e", twice).unwrap().descriptors;
        assert_eq!(back.len(), 2);
        let mut last = File::from(back.into_iter().next_back().unwrap());
        last.seek(SeekFrom::Start(5)).unwrap();
        assert_eq!(file.stream_position().unwrap(), 5);
    }
}

#[test]
fn a_released_descriptor_is_closed_before_the_procedure_can_miss_it() {
    let _watchdog = Watchdog::new("a_released_descriptor_is_closed_with_the_hand_over");
    let directory = Directory::new("released");
    let (_peer, path) = start(&directory, "door", "");
    for door in both(&path) {
        let (from, to) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let mut writer = File::from(to);
        writer.write_all(b"all of it").unwrap();
        // The procedure reads to the end, which comes when the last writing end is closed, ours included.
        let released = vec![DoorDesc::from(from), DoorDesc::from(writer)];
        assert_eq!(door.call(b"drain", released).unwrap().data, b"all of it");
    }
}

#[test]
fn lent_descriptors_stay_and_released_ones_go_whatever_comes_of_the_call() {
    let _watchdog = Watchdog::new("lent_descriptors_stay_and_released_ones_go");
    let directory = Directory::new("failing");
    let (_peer, path) = start(&directory, "door", "");
    let (_refusing, refusing) = start(&directory, "refusing", "refuse");
    let mut dead = start(&directory, "dead", "");
    let mut doors = Vec::new();
    for (path, data, works) in [
        (&path, "e", true),
        (&path, "panic", false),
        (&refusing, "e", false),
        (&dead.1, "e", false),
    ] {
        doors.extend(both(path).map(|door| (door, data, works)));
    }
    dead.0.kill();
    for (door, data, works) in doors {
        let (mut from, to) = pipe();
        let lent = to.try_clone().unwrap();
        let fds = vec![DoorDesc::from(to), DoorDesc::Lent(lent.as_fd())];
        let outcome = door.call(data.as_bytes(), fds);
        assert_eq!(outcome.is_ok(), works, "{data}: {outcome:?}");
        drop(outcome);
        // Our lent copy works still and is the last one that there is.
        File::from(lent).write_all(b"x").unwrap();
        from.read_exact(&mut [0]).unwrap();
        while !is_at_end(&mut from) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_refusing_door_takes_none_and_keeps_none() {
    let _watchdog = Watchdog::new("a_refusing_door_takes_none");
    let directory = Directory::new("refusing");
    let (peer, path) = start(&directory, "door", "refuse");
    let keeper = warm(&path);
    for door in both(&path) {
        for count in [1, 300] {
            let (mut from, to) = pipe();
            let mut fds: Vec<_> = (1..count)
                .map(|_| DoorDesc::from(to.try_clone().unwrap()))
                .collect();
            fds.push(DoorDesc::from(to));
            let error = door.call(b"e", fds).unwrap_err();
            assert_eq!(error.condition, CallCondition::RefusesDescriptors);
            assert_eq!(
                (error.errno(), error.call_state()),
                (libc::ENOTSUP, CallState::NotExecuted)
            );
            // They do not stay on the way while the channel is in use.
            while !is_at_end(&mut from) {
                assert_eq!(keeper.call(b"e", vec![]).unwrap().data, b"e");
                assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
            }
        }
    }
    drop(peer);
}

#[test]
fn results_may_be_descriptors_and_more_data_than_fit_the_area() {
    let _watchdog = Watchdog::new("results_may_be_descriptors_and_data");
    let directory = Directory::new("together");
    let (_peer, path) = start(&directory, "door", "");
    for door in both(&path) {
        for (files, bytes) in [(1, 16_385), (300, 100_000), (1024, 5 << 20), (2, 0)] {
            let reply = door
                .call(format!("files {files} {bytes}").as_bytes(), vec![])
                .unwrap();
            assert_eq!((reply.descriptors.len(), reply.data.len()), (files, bytes));
            for (at, fd) in reply.descriptors.into_iter().enumerate() {
                assert_eq!(number_in(fd), at);
            }
        }
        // And with arguments that do not fit either.
        let mut request = b"bytes 70000 ".to_vec();
        request.resize(6 << 20, b'x');
        let fds = (0..254).map(|at| DoorDesc::from(numbered(at))).collect();
        let reply = door.call(&request, fds).unwrap();
        assert_eq!((reply.descriptors.len(), reply.data.len()), (254, 70_000));
    }
}

#[test]
fn descriptors_travel_after_the_channel_went_quiet() {
    let _watchdog = Watchdog::new("descriptors_travel_after_the_channel_went_quiet");
    let directory = Directory::new("quiet");
    let (peer, path) = start(&directory, "door", "");
    let door = warm(&path);
    let before = Census::settle(peer.pid(), "the channel is quiet", |_| true);
    for _ in 0..3 {
        let reply = door.call(b"e", vec![DoorDesc::from(numbered(1))]).unwrap();
        assert_eq!(number_in(reply.descriptors.into_iter().next().unwrap()), 1);
        // The socket of a quiet channel is closed.
        Census::settle(peer.pid(), "the socket stays", |census| {
            census.descriptors() <= before.descriptors()
        });
    }
}

#[test]
fn no_descriptor_is_lost_when_the_channel_goes_quiet_under_a_call() {
    let _watchdog = Watchdog::new("no_descriptor_is_lost_at_the_quiet_switch");
    let directory = Directory::new("switch");
    let (_peer, path) = start(&directory, "door", "");
    let door = warm(&path);
    // A held call gives its channel back right after its answer, so that the next call meets the closing of the
    // socket again and again.
    for round in 0..1500_usize {
        let reply = door
            .call(b"hold-and-go", vec![DoorDesc::from(numbered(round))])
            .unwrap();
        assert_eq!(
            number_in(reply.descriptors.into_iter().next().unwrap()),
            round
        );
        let reply = door
            .call(b"e", vec![DoorDesc::from(numbered(round))])
            .unwrap();
        assert_eq!(
            number_in(reply.descriptors.into_iter().next().unwrap()),
            round
        );
    }
}

#[test]
fn no_descriptor_is_lost_at_about_the_time_of_the_quiet_switch() {
    let _watchdog = Watchdog::new("no_descriptor_is_lost_about_the_quiet_switch");
    let directory = Directory::new("about");
    let (_peer, path) = start(&directory, "door", "");
    let callers: Vec<_> = (0..24_u64)
        .map(|caller| {
            let path = path.clone();
            std::thread::spawn(move || {
                let door = warm(&path);
                for round in 0..60_u64 {
                    let reply = door.call(b"e", vec![DoorDesc::from(numbered(7))]).unwrap();
                    assert_eq!(reply.descriptors.len(), 1);
                    // Between 49 and 51 ms after its last call a channel falls quiet: a distance, no synchronisation.
                    let micros = 49_000 + (caller * 83 + round * 41) % 2_500;
                    std::thread::sleep(std::time::Duration::from_micros(micros));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
}

#[test]
fn a_server_with_a_full_table_does_not_execute_the_call() {
    let _watchdog = Watchdog::new("a_server_with_a_full_table");
    let directory = Directory::new("full-server");
    let (mut peer, path) = start(&directory, "door", "");
    let [fresh, door] = both(&path);
    // The channel has its socket: the descriptors arrive, and find no place.
    door.call(b"e", vec![DoorDesc::from(numbered(1))]).unwrap();
    door.call(b"e", vec![DoorDesc::from(numbered(1))]).unwrap();
    let calls = door.info().unwrap().figures.unwrap().calls;
    peer.say("full");
    peer.expect("full");
    for count in [1_usize, 300] {
        for door in [&door, &fresh] {
            let (mut from, to) = pipe();
            let mut fds: Vec<_> = (1..count).map(|at| DoorDesc::from(numbered(at))).collect();
            fds.push(DoorDesc::from(to));
            let error = door.call(b"e", fds).unwrap_err();
            assert_eq!(error.call_state(), CallState::NotExecuted, "{error}");
            assert!(
                matches!(
                    error.condition,
                    CallCondition::DescriptorsLost | CallCondition::NoRoom
                ),
                "{error}"
            );
            while !is_at_end(&mut from) {
                // Data go on meanwhile, where there is a session.
                assert_eq!(warm_data(door), b"e");
            }
        }
    }
    peer.say("room");
    peer.expect("room");
    for door in [&door, &fresh] {
        let reply = door.call(b"e", vec![DoorDesc::from(numbered(9))]).unwrap();
        assert_eq!(number_in(reply.descriptors.into_iter().next().unwrap()), 9);
    }
    // What failed did not run: two data calls at most each turn, and the two that have just run.
    assert!(door.info().unwrap().figures.unwrap().calls >= calls + 2);
}

fn warm_data(door: &Door) -> Vec<u8> {
    door.call(b"e", vec![])
        .map_or_else(|_| b"e".to_vec(), |reply| reply.data)
}

#[test]
fn a_client_with_a_full_table_hears_that_the_reply_was_lost() {
    let _watchdog = Watchdog::new("a_client_with_a_full_table");
    let directory = Directory::new("full-client");
    let (peer, path) = start(&directory, "door", "");
    let before = Census::of(peer.pid());
    let mut client = Peer::start(PEER, "calls-poor-client", &[path.to_str().unwrap()]);
    client.expect("first reply with files: ReplyLost");
    client.expect("data meanwhile: 5 and 0");
    client.expect("packet: ReplyLost");
    let refused = client.hear();
    assert!(refused.starts_with("no session yet: "), "{refused}");
    assert!(
        refused.contains("EMFILE") || refused.contains("NoRoom"),
        "{refused}"
    );
    client.expect("room: 0 and 2");
    client.expect("socket there: ReplyLost");
    client.expect("room again: 0 and 300");
    client.expect("packet client: 0 and 2");
    client.finish();
    Census::settle(peer.pid(), "nothing stays of the client", |census| {
        census.descriptors() <= before.descriptors() + 1 && census.mappings == before.mappings
    });
}

#[test]
fn descriptors_of_calls_given_up_are_closed_on_both_sides() {
    let _watchdog = Watchdog::new("descriptors_of_calls_given_up_are_closed");
    let directory = Directory::new("given-up");
    let (mut peer, path) = start(&directory, "door", "");
    for door in both(&path) {
        peer.say("shut");
        peer.expect("shut");
        let (mut from, to) = pipe();
        let soon = std::time::Instant::now() + std::time::Duration::from_millis(50);
        let error = door
            .call_until(b"slow-file", vec![DoorDesc::from(to)], soon)
            .unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: true });
        peer.expect("begun");
        peer.say("open");
        peer.expect("ended");
        // The answer that nobody waits for brought the pipe's end back to this process, where it must not stay.
        while !is_at_end(&mut from) {
            std::thread::yield_now();
        }
        assert_eq!(
            door.call(b"e", vec![DoorDesc::from(numbered(3))])
                .unwrap()
                .descriptors
                .len(),
            1
        );
    }
}

#[test]
fn descriptors_of_calls_that_were_never_taken_are_closed() {
    let _watchdog = Watchdog::new("descriptors_of_calls_that_were_never_taken");
    let directory = Directory::new("never-taken");
    let (mut peer, path) = start(&directory, "door", "single");
    let [fresh, door] = both(&path);
    let busy = door.clone();
    let gate = std::thread::spawn(move || busy.call(b"gate", vec![]).unwrap());
    peer.expect("begun");
    let mut ends = Vec::new();
    for door in [&door, &fresh] {
        let (from, to) = pipe();
        let soon = std::time::Instant::now() + std::time::Duration::from_millis(50);
        let error = door
            .call_until(b"e", vec![DoorDesc::from(to)], soon)
            .unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: false });
        ends.push(from);
    }
    peer.say("open");
    gate.join().unwrap();
    for mut from in ends {
        while !is_at_end(&mut from) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_received_door_outlives_its_giver() {
    let _watchdog = Watchdog::new("a_received_door_outlives_its_giver");
    let directory = Directory::new("giver");
    let (mut server, path) = start(&directory, "door", "");
    let second = directory.join("giver");
    let arguments = [second.to_str().unwrap(), path.to_str().unwrap()];
    let mut second_server = Peer::start(PEER, "calls-giver", &arguments);
    second_server.expect("ready");
    let third = directory.join("third");
    let arguments = [third.to_str().unwrap(), second.to_str().unwrap()];
    let mut third_server = Peer::start(PEER, "calls-giver", &arguments);
    third_server.expect("ready");

    let given = Door::open(&second)
        .unwrap()
        .call(b"", vec![])
        .unwrap()
        .descriptors;
    let given = Door::from_descriptor(given.into_iter().next().unwrap()).unwrap();
    // Through a third process: it hands out the giver's door, and that gives the server's.
    let relayed = Door::open(&third)
        .unwrap()
        .call(b"", vec![])
        .unwrap()
        .descriptors;
    let relayed = Door::from_descriptor(relayed.into_iter().next().unwrap()).unwrap();
    let relayed = relayed.call(b"", vec![]).unwrap().descriptors;
    let relayed = Door::from_descriptor(relayed.into_iter().next().unwrap()).unwrap();

    second_server.kill();
    third_server.kill();
    let id = Door::open(&path).unwrap().info().unwrap().id;
    for door in [&given, &relayed] {
        assert_eq!(door.info().unwrap().id, id);
        assert_eq!(
            door.info().unwrap().target,
            i32::try_from(server.pid()).ok()
        );
        for _ in 0..3 {
            assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
        }
    }
    // One passed on to the server itself after all that.
    let reply = given
        .call(b"call-it e", vec![relayed.to_desc().unwrap()])
        .unwrap();
    assert_eq!(reply.data, b"e");
    server.kill();
    assert_eq!(
        given.call(b"e", vec![]).unwrap_err().call_state(),
        CallState::NotExecuted
    );
}

#[test]
fn a_new_door_comes_out_of_a_door() {
    let _watchdog = Watchdog::new("a_new_door_comes_out_of_a_door");
    let directory = Directory::new("new");
    let (peer, path) = start(&directory, "door", "");
    let door = warm(&path);
    door.call(b"e", vec![DoorDesc::from(numbered(0))]).unwrap();
    let before = Census::of(peer.pid());
    let mut ids = Vec::new();
    for round in 0..20 {
        let reply = both(&path)[round % 2].call(b"new-door", vec![]).unwrap();
        let new = Door::from_descriptor(reply.descriptors.into_iter().next().unwrap()).unwrap();
        assert_eq!(new.call(b"", vec![]).unwrap().data, b"new");
        ids.push(new.info().unwrap().id);
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    // Doors that nobody refers to any more end.
    Census::settle(peer.pid(), "doors stay", |census| {
        census.descriptors() <= before.descriptors() && census.threads <= before.threads + 4
    });
}
