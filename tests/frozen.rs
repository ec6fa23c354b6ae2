//! Frozen bytes: read in place, and nothing else taken for them.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use doors::{DoorDesc, Frozen, FrozenError};
use harness::calls::{both, start, warm};
use harness::raw;
use harness::{Census, Directory, Watchdog};
use nix::errno::Errno;
use nix::fcntl::SealFlag;

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

/// All that looks like frozen memory and is not.
fn lookalikes() -> std::io::Result<Vec<(&'static str, OwnedFd)>> {
    let (shrink, grow, write, seal) = (
        SealFlag::F_SEAL_SHRINK,
        SealFlag::F_SEAL_GROW,
        SealFlag::F_SEAL_WRITE,
        SealFlag::F_SEAL_SEAL,
    );
    let all = shrink | grow | write | seal;
    let open = |path: &str, flags: i32| -> std::io::Result<OwnedFd> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags);
        Ok(options.open(path)?.into())
    };
    let sparse = |len: i64, filled: &[u8]| -> std::io::Result<OwnedFd> {
        let memory = raw::memfd(0, SealFlag::empty());
        nix::unistd::ftruncate(&memory, len)?;
        nix::sys::uio::pwrite(&memory, filled, 0)?;
        nix::fcntl::fcntl(&memory, nix::fcntl::FcntlArg::F_ADD_SEALS(all))?;
        Ok(memory)
    };
    // As many pages as it has bytes for, beyond its end.
    let beyond = || -> std::io::Result<OwnedFd> {
        let memory = raw::memfd(0, SealFlag::empty());
        nix::unistd::ftruncate(&memory, 8192)?;
        let keep = nix::fcntl::FallocateFlags::FALLOC_FL_KEEP_SIZE;
        nix::fcntl::fallocate(&memory, keep, 8192, 8192)?;
        nix::fcntl::fcntl(&memory, nix::fcntl::FcntlArg::F_ADD_SEALS(all))?;
        Ok(memory)
    };
    let (reader, _writer) = std::io::pipe()?;
    let mut all_of_them: Vec<(&'static str, OwnedFd)> = vec![
        ("a device", open("/dev/null", 0)?),
        ("a file", open("/proc/self/exe", 0)?),
        ("a directory", open("/", 0)?),
        ("a path", open("/proc/self/exe", libc::O_PATH)?),
        ("a pipe", reader.into()),
        (
            "a file of tmpfs",
            tmpfs().map_or_else(|| open("/dev/null", 0), Ok)?,
        ),
        ("memory without seals", raw::memfd(4096, SealFlag::empty())),
        (
            "memory that can be cut",
            raw::memfd(4096, all.difference(shrink)),
        ),
        (
            "memory that can grow",
            raw::memfd(4096, all.difference(grow)),
        ),
        (
            "memory that can be written",
            raw::memfd(4096, all.difference(write)),
        ),
        (
            "memory that takes more seals",
            raw::memfd(4096, all.difference(seal)),
        ),
        ("no memory without seals", raw::memfd(0, SealFlag::empty())),
        ("a hole", sparse(4096, b"")?),
        ("a hole at the end", sparse(8192, &[1; 4096])?),
        ("a huge hole", sparse(1 << 40, &[1; 4096])?),
        ("pages beyond the end", beyond()?),
    ];
    all_of_them.extend(raw::huge_memfd(2 << 20, all).map(|fd| ("huge pages", fd)));
    all_of_them.extend(raw::secret_memory(4096).map(|fd| ("secret memory", fd)));
    Ok(all_of_them)
}

/// A file of a tmpfs that is not a memfd, where there is one to be had.
fn tmpfs() -> Option<OwnedFd> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_TMPFILE);
    let file = options.open("/dev/shm").ok()?;
    file.set_len(4096).ok()?;
    Some(file.into())
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
