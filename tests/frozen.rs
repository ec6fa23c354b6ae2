//! Frozen bytes: read in place, and nothing else taken for them.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use doors::{DoorDesc, Frozen, FrozenError};
use harness::calls::{both, start, warm};
use harness::lookalikes::lookalikes;
use harness::raw;
use harness::{Census, Directory, Watchdog};
use nix::errno::Errno;

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const NOT_FROZEN: &[u8] = b"the descriptor is not of frozen memory";

fn data(count: usize) -> Vec<u8> {
    (0..count).map(|at| at.to_le_bytes()[0]).collect()
}

/// What the peer says of bytes that it reads.
fn seen(bytes: &[u8]) -> Vec<u8> {
    let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
    format!("{} {sum}", bytes.len()).into_bytes()
}

#[test]
fn several_readers_read_the_same_bytes_and_keep_nothing() {
    let _watchdog = Watchdog::new("several_readers_read_the_same_bytes");
    let directory = Directory::new("frozen");
    let (peer, path) = start(PEER, &directory, "door", "");
    drop(warm(&path));
    let (theirs, ours) = (Census::of(peer.pid()), Census::of_self());
    for count in [0, 1, 4095, 4096, 4097, 3 << 20] {
        let data = data(count);
        let frozen = Frozen::new(&data).unwrap();
        assert_eq!(*frozen, data[..]);
        for door in both(&path) {
            for _ in 0..3 {
                let given = vec![frozen.as_fd().into()];
                let reply = door.call(b"frozen 3145728", given).unwrap();
                assert_eq!(reply.data, seen(&data), "{count}");
            }
        }
        // And given away.
        let released = DoorDesc::Released(frozen.into());
        let reply = warm(&path).call(b"frozen 3145728", vec![released]);
        assert_eq!(reply.unwrap().data, seen(&data), "{count}");
    }
    let settled = |census: &Census, before: &Census| {
        census.mappings <= before.mappings && census.descriptors() <= before.descriptors() + 4
    };
    Census::settle(peer.pid(), "the peer keeps nothing", |census| {
        settled(census, &theirs)
    });
    Census::settle(std::process::id(), "nothing stays here", |census| {
        settled(census, &ours)
    });
}

#[test]
fn bytes_stay_what_they_are_when_their_maker_is_killed() {
    let _watchdog = Watchdog::new("bytes_stay_what_they_are");
    let directory = Directory::new("frozen_stay");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let mut reply = warm(&path).call(b"freeze 300000", vec![]).unwrap();
    let given = reply.descriptors.remove(0);
    let copy = given.try_clone().unwrap();
    let frozen = Frozen::from_descriptor(given, 300_000).unwrap();
    let before = frozen.to_vec();
    peer.kill();
    assert_eq!(*frozen, before[..]);
    // By no way that a descriptor opens.
    let write = nix::sys::uio::pwrite(&copy, b"x", 0);
    assert_eq!(write, Err(Errno::EPERM));
    assert_eq!(nix::unistd::ftruncate(&copy, 0), Err(Errno::EPERM));
    assert_eq!(nix::unistd::ftruncate(&copy, 1 << 20), Err(Errno::EPERM));
    let hole = nix::fcntl::FallocateFlags::FALLOC_FL_PUNCH_HOLE
        | nix::fcntl::FallocateFlags::FALLOC_FL_KEEP_SIZE;
    assert_eq!(
        nix::fcntl::fallocate(&copy, hole, 0, 4096),
        Err(Errno::EPERM)
    );
    let again = format!("/proc/self/fd/{}", copy.as_raw_fd());
    if let Ok(again) = OpenOptions::new().write(true).read(true).open(again) {
        assert!(raw::Window::map(&again, 4096, true).is_err());
        assert_eq!(nix::unistd::ftruncate(&again, 0), Err(Errno::EPERM));
    }
    assert_eq!(*frozen, before[..]);
}

#[test]
fn nothing_else_is_taken_for_frozen_bytes() {
    let _watchdog = Watchdog::new("nothing_else_is_taken");
    let directory = Directory::new("frozen_lies");
    let (peer, path) = start(PEER, &directory, "door", "");
    let door = warm(&path);
    let before = Census::of(peer.pid());
    for (what, lookalike) in lookalikes().unwrap() {
        let reply = door.call(b"frozen 1099511627776", vec![lookalike.into()]);
        assert_eq!(
            String::from_utf8_lossy(&reply.unwrap().data),
            String::from_utf8_lossy(NOT_FROZEN),
            "{what}"
        );
    }
    let honest = Frozen::new(b"honest").unwrap();
    let reply = door.call(b"frozen 6", vec![honest.as_fd().into()]);
    assert_eq!(reply.unwrap().data, seen(b"honest"));
    Census::settle(peer.pid(), "nothing that came stays", |census| {
        census.holds_no_more_than(&before, before.mappings)
            || census.descriptors() <= before.descriptors() + 1
    });
}

#[test]
fn a_receiver_takes_no_more_than_it_said() {
    let frozen = Frozen::new(&[7; 5000]).unwrap();
    let copy = || frozen.as_fd().try_clone_to_owned().unwrap();
    let refused = Frozen::from_descriptor(copy(), 4999).unwrap_err();
    assert_eq!(
        refused,
        FrozenError::TooLarge {
            len: 5000,
            limit: 4999
        }
    );
    assert_eq!(refused.errno(), libc::EFBIG);
    assert_eq!(Frozen::from_descriptor(copy(), 5000).unwrap().len(), 5000);
    let file: OwnedFd = File::open("/dev/null").unwrap().into();
    let refused = Frozen::from_descriptor(file, usize::MAX).unwrap_err();
    assert_eq!(refused, FrozenError::NotFrozen);
    assert_eq!(refused.errno(), libc::EINVAL);
}
