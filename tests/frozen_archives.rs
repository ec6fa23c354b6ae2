//! Values in frozen memory, which processes pass on and read where they lie.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "peer/typed/finder.rs"]
mod finder;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use doors::typed::{Malformed, Refused};
use doors::{Door, DoorDesc, Frozen, FrozenArchive, ProcedureError};
use finder::{Case, FinderClient, Index, LookerClient, other};
use harness::lookalikes::lookalikes;
use harness::typed::Server;
use harness::{Census, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn index(words: u64, places: u64) -> Index {
    Index {
        words: (0..words).map(|word| format!("word {word:06}")).collect(),
        places: (0..places).map(|place| place.saturating_mul(10)).collect(),
    }
}

fn small() -> FrozenArchive<Index> {
    FrozenArchive::new(&index(3, 3)).unwrap()
}

/// The memories with archives that a process has mapped: their numbers, and how many bytes of each.
fn mapped(pid: u32) -> Vec<(u64, u64)> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let ours = maps.lines().filter(|line| line.contains("doors-archive"));
    ours.map(|line| {
        let mut words = line.split_whitespace();
        let (begin, end) = words.next().unwrap().split_once('-').unwrap();
        let bytes = |hex: &str| u64::from_str_radix(hex, 16).unwrap();
        let inode = words.nth(3).unwrap().parse().unwrap();
        (inode, bytes(end).saturating_sub(bytes(begin)))
    })
    .collect()
}

#[test]
fn two_servers_look_words_up_in_one_memory() {
    let _watchdog = Watchdog::new("two_servers_look_words_up_in_one_memory");
    let servers = ["finder-one", "finder-other"].map(|name| Server::start(PEER, name));
    let [one, other] = servers
        .each_ref()
        .map(|server| FinderClient::open(server.at("finder")).unwrap());
    let pids = servers.each_ref().map(|server| server.peer.pid());
    // After some calls every process has what it keeps for the next ones.
    for _ in 0..5 {
        for finder in [&one, &other] {
            let found = finder.find(&small(), "word 000001");
            assert_eq!(found.unwrap(), Some(10));
        }
        let found = one.forward(other.clone(), small(), "nothing");
        assert_eq!(found.unwrap(), None);
    }
    let before = pids.map(Census::of);
    let ours = Census::of_self();

    let index = FrozenArchive::new(&index(1000, 2 << 20)).unwrap();
    let bytes = index.as_bytes().len();
    assert!(bytes > 16 << 20);
    for finder in [&one, &other] {
        finder.keep(Some(index.clone())).unwrap();
        assert_eq!(finder.find_kept("word 000999").unwrap(), Some(9990));
    }
    let inode = nix::sys::stat::fstat(index.as_fd()).unwrap().st_ino;
    let whole = u64::try_from(bytes.next_multiple_of(4096)).unwrap();
    for pid in pids {
        assert_eq!(mapped(pid), [(inode, whole)]);
    }
    // From one to the other, and back to us, it is the same.
    let found = one.forward(other.clone(), index, "word 000500").unwrap();
    assert_eq!(found, Some(5000));
    let kept = other.kept().unwrap().unwrap();
    assert_eq!(nix::sys::stat::fstat(kept.as_fd()).unwrap().st_ino, inode);
    assert_eq!(kept.words[7], "word 000007");
    drop(kept);

    for finder in [&one, &other] {
        finder.keep(None).unwrap();
        assert_eq!(finder.find_kept("word 000999").unwrap(), None);
    }
    for (pid, before) in pids.into_iter().zip(before) {
        assert_eq!(mapped(pid), []);
        let what = format!("a server that keeps nothing; before: {before:?}");
        Census::settle(pid, &what, |now| {
            now.mappings <= before.mappings && now.descriptors() <= before.descriptors() + 1
        });
    }
    assert_eq!(mapped(std::process::id()), []);
    Census::settle(std::process::id(), "nothing stays here", |now| {
        now.descriptors() <= ours.descriptors() + 4
    });
}

#[test]
fn archives_stand_inside_values_and_come_by_rkyv() {
    let _watchdog = Watchdog::new("archives_stand_inside_values_and_come_by_rkyv");
    let server = Server::start(PEER, "finder-inside");
    let finder = FinderClient::open(server.at("finder")).unwrap();
    let of = |words| FrozenArchive::new(&index(words, 0)).unwrap();
    let case = Case {
        first: Some(of(1)),
        others: vec![(2, of(2)), (3, of(3)), (4, of(4))],
        text: FrozenArchive::within(&"there".to_owned()).unwrap(),
        name: "here".to_owned(),
    };
    let back = finder.turn(case).unwrap();
    assert_eq!(back.first.unwrap().words.len(), 1);
    let others = back.others.iter();
    let others: Vec<(u8, usize)> = others.map(|(n, index)| (*n, index.words.len())).collect();
    assert_eq!(others, [(4, 4), (3, 3), (2, 2)]);
    assert_eq!(
        (back.text.as_str(), back.name.as_str()),
        ("there", "here there")
    );

    let looker = LookerClient::open(server.at("looker")).unwrap();
    let back = looker.find("word 000002", small()).unwrap();
    assert_eq!(back.places[2], 20);
    match looker.find("none", back) {
        Err(ProcedureError::Returned(4)) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_archive_stays_when_its_maker_is_killed() {
    let _watchdog = Watchdog::new("an_archive_stays_when_its_maker_is_killed");
    let mut server = Server::start(PEER, "finder-killed");
    let finder = FinderClient::open(server.at("finder")).unwrap();
    finder.keep(Some(small())).unwrap();
    let kept = finder.kept().unwrap().unwrap();
    server.peer.kill();
    assert_eq!(kept.words[2], "word 000002");
    assert_eq!(kept.places[2], 20);
}

#[test]
fn an_archive_beyond_the_limit_of_a_file_is_an_error_and_not_the_end() {
    let _watchdog =
        Watchdog::new("an_archive_beyond_the_limit_of_a_file_is_an_error_and_not_the_end");
    let server = Server::start(PEER, "finder-limited");
    let path = server.at("finder");
    let mut limited = Peer::start(PEER, "typed-limited", &[path.to_str().unwrap()]);
    limited.expect("archive: File too large (os error 27)");
    limited.expect("bytes: File too large (os error 27)");
    limited.expect("as many: made");
    limited.expect("found: Some(1)");
    assert!(limited.finish().success());
}

#[test]
fn an_archive_of_another_type_is_another_method() {
    let _watchdog = Watchdog::new("an_archive_of_another_type_is_another_method");
    let server = Server::start(PEER, "finder-type");
    let register = other::Register {
        words: vec![1],
        places: vec!["a".to_owned()],
    };
    let client = other::FinderClient::open(server.at("finder")).unwrap();
    let frozen = FrozenArchive::new(&register).unwrap();
    match client.find(&frozen, "word") {
        Err(ProcedureError::Refused {
            reason: Refused::OtherSignature { theirs, ours },
            ..
        }) => assert_eq!(theirs, ours, "as it is written"),
        other => panic!("{other:?}"),
    }
}

/// The bytes of calls, as they pass by.
fn passing(server: &Door, call: impl FnOnce(&FinderClient)) -> Vec<u8> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (see, door) = (Arc::clone(&seen), server.clone());
    let relay = Door::in_process(move |mut call| {
        let given = call.take_descriptors().into_iter();
        let answer = door.call(call.data(), given.map(DoorDesc::Released).collect());
        *see.lock().unwrap() = call.data().to_vec();
        call.door_return(&answer.unwrap().data, vec![])
    });
    call(&FinderClient::from(relay.unwrap()));
    seen.lock().unwrap().clone()
}

/// What a server says of an argument `index` that is no such archive.
fn refused(reason: u8) -> Vec<u8> {
    [&[reason][..], b"index", &[5, 0x81]].concat()
}

const BAD_VALUE: u8 = 3;
const NO_DESCRIPTOR: u8 = 7;
const NOT_FROZEN: u8 = 8;
const TOO_LARGE: u8 = 9;

#[test]
fn nothing_else_is_taken_for_an_archive() {
    let _watchdog = Watchdog::new("nothing_else_is_taken_for_an_archive");
    let server = Server::start(PEER, "finder-lies");
    let pid = server.peer.pid();
    let finder = FinderClient::open(server.at("finder")).unwrap();
    let find = passing(finder.door(), |client| {
        let found = client.find(&small(), "word 000001").unwrap();
        assert_eq!(found, Some(10));
    });
    let take = passing(finder.door(), |client| {
        let index = FrozenArchive::within(&index(3, 3)).unwrap();
        assert_eq!(client.small(index).unwrap(), 3);
    });
    let sent = |data: &[u8], memory: Option<OwnedFd>| {
        let given = memory.into_iter().map(DoorDesc::Released).collect();
        finder.door().call(data, given).unwrap().data
    };
    let frozen = |bytes: &[u8]| Some(OwnedFd::from(Frozen::new(bytes).unwrap()));
    let honest = small();
    let bytes = honest.as_bytes();
    let before = Census::of(pid);
    for data in [&find, &take] {
        for (what, lookalike) in lookalikes().unwrap() {
            assert_eq!(sent(data, Some(lookalike)), refused(NOT_FROZEN), "{what}");
        }
        assert_eq!(sent(data, None), refused(NO_DESCRIPTOR));
        for (what, wrong) in [
            ("nothing", &b""[..]),
            ("nonsense", &[0xff; 5000]),
            ("less than a root", &bytes[..4]),
            ("its end is cut", &bytes[..bytes.len() - 8]),
            ("its beginning is cut", &bytes[16..]),
            ("more behind it", &[bytes, &[0xff; 16]].concat()),
        ] {
            assert_eq!(sent(data, frozen(wrong)), refused(BAD_VALUE), "{what}");
        }
        let text = FrozenArchive::new(&vec![Some(u64::MAX); 100]).unwrap();
        assert_eq!(
            sent(data, Some(text.try_into().unwrap())),
            refused(BAD_VALUE),
            "another type"
        );
    }
    let large = FrozenArchive::new(&index(0, 65_536 / 8)).unwrap();
    let large = large.as_fd().try_clone_to_owned().unwrap();
    assert_eq!(sent(&take, Some(large)), refused(TOO_LARGE));
    // Whatever it is, the server reads no more than there is.
    for cut in (0..bytes.len()).step_by(4) {
        let mut changed = bytes.to_vec();
        changed[cut] ^= 0x41;
        let answer = sent(&find, frozen(&changed));
        assert!(matches!(answer[..], [.., 1 | 5, 0x81]), "{cut}: {answer:?}");
    }
    // More descriptors than arguments are closed.
    let input = std::io::stdin();
    let two = vec![honest.as_fd().into(), input.as_fd().into()];
    assert!(matches!(
        finder.door().call(&find, two).unwrap().data[..],
        [.., 1, 0x81]
    ));
    assert_eq!(finder.find(&honest, "word 000002").unwrap(), Some(20));
    assert_eq!(mapped(pid), []);
    Census::settle(pid, "nothing that came stays", |now| {
        now.descriptors() <= before.descriptors() + 1 && now.mappings <= before.mappings
    });
}

#[test]
fn a_server_that_gives_something_else_has_bad_results() {
    let _watchdog = Watchdog::new("a_server_that_gives_something_else_has_bad_results");
    let directory = Directory::new("finder-liar");
    let path = directory.join("door");
    let mut liar = Peer::start(PEER, "typed-liar", &[path.to_str().unwrap()]);
    liar.expect("ready");
    let client = FinderClient::open(&path).unwrap();
    let mut answered = |bytes: &str| {
        liar.say(bytes);
        liar.expect("set");
        client.kept()
    };
    assert!(answered("000181").unwrap().is_none());
    match answered("010181") {
        Err(ProcedureError::BadResults { reason, .. }) => {
            assert_eq!(reason, Malformed::NotFrozen);
        }
        other => panic!("{other:?}"),
    }
}
