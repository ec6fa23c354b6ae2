//! Descriptors in calls and replies.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use doors::{CallCondition, CallState, DoorDesc};
use harness::calls::{books, both, start, warm};
use harness::files::{is_close_on_exec, number_in, numbered, pipe, raise_limit};
use harness::{Census, Directory, Watchdog};
use nix::fcntl::OFlag;
use nix::sys::eventfd::EventFd;
use nix::sys::stat::fstat;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn every_number_of_descriptors_travels_both_ways_in_order() {
    let _watchdog = Watchdog::new("every_number_of_descriptors_travels");
    raise_limit();
    let directory = Directory::new("counts");
    let (peer, path) = start(PEER, &directory, "door", "");
    drop(warm(&path));
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
    let (_peer, path) = start(PEER, &directory, "door", "");
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
    let (_peer, path) = start(PEER, &directory, "door", "");
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
    let (_peer, path) = start(PEER, &directory, "door", "");
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
fn results_may_be_descriptors_and_more_data_than_fit_the_area() {
    let _watchdog = Watchdog::new("results_may_be_descriptors_and_data");
    raise_limit();
    let directory = Directory::new("together");
    let (_peer, path) = start(PEER, &directory, "door", "");
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
    let (peer, path) = start(PEER, &directory, "door", "");
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
    let (_peer, path) = start(PEER, &directory, "door", "");
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
    let (_peer, path) = start(PEER, &directory, "door", "");
    let callers: Vec<_> = (0..24_u64)
        .map(|caller| {
            let path = path.clone();
            std::thread::spawn(move || {
                let door = warm(&path);
                for round in 0..60_u64 {
                    let reply = door.call(b"e", vec![DoorDesc::from(numbered(7))]).unwrap();
                    assert_eq!(reply.descriptors.len(), 1);
                    // Time is the subject: a channel falls quiet 50 ms after its last call, and this call comes then.
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
fn case_25_a_procedure_need_not_wait_for_what_a_caller_never_writes() {
    let _watchdog = Watchdog::new("case_25_a_procedure_need_not_wait");
    let directory = Directory::new("silent");
    let (peer, path) = start(PEER, &directory, "door", "");
    let books = books(&peer, &path);
    for door in both(&path) {
        let (reader, _silent) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let reply = door.call(b"try-read", vec![DoorDesc::from(reader)]);
        assert_eq!(reply.unwrap().data, b"WouldBlock");
    }
    books.balance();
}
