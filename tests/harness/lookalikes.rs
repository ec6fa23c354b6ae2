//! What a receiver of frozen memory has to tell from it.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::SealFlag;

use crate::raw;

/// All that looks like frozen memory and is not.
///
/// # Errors
/// If one cannot be made.
pub fn lookalikes() -> std::io::Result<Vec<(&'static str, OwnedFd)>> {
    let (shrink, grow, write, seal) = (
        SealFlag::F_SEAL_SHRINK,
        SealFlag::F_SEAL_GROW,
        SealFlag::F_SEAL_WRITE,
        SealFlag::F_SEAL_SEAL,
    );
    let all = shrink | grow | write | seal;
    let future_write = SealFlag::from_bits_retain(libc::F_SEAL_FUTURE_WRITE);
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
            "memory that its maker may still write",
            raw::memfd(4096, all.difference(write) | future_write),
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
