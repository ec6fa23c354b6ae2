//! Sealed shared memory, made by the server for both directions.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::unistd::{Whence, lseek};

use super::Result;
use super::draft::Draft;

/// `F_SEAL_FUTURE_WRITE` (linux/fcntl.h, Linux 5.1): nobody can get a new writable mapping.
const FUTURE_WRITE: i32 = 0x10;
/// The seals of memory that nobody can change any more.
pub(super) const FROZEN: i32 =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;

/// Creates `len` bytes of zeroed memory that can never change its size.
///
/// Every page is allocated here, so that lack of memory is an error at this point instead of a SIGBUS at a
/// later touch (fallocate(2) works on a memfd).
pub(crate) fn create(name: &std::ffi::CStr, len: usize) -> Result<OwnedFd> {
    let memfd = sized(name, len)?;
    let len = i64::try_from(len).map_err(|_| Errno::EFBIG)?;
    fallocate(&memfd, FallocateFlags::empty(), 0, len)?;
    fcntl(
        &memfd,
        FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW),
    )?;
    Ok(memfd)
}

/// Memory of this size, which is not there yet.
pub(super) fn sized(name: &std::ffi::CStr, len: usize) -> Result<OwnedFd> {
    let len = i64::try_from(len).map_err(|_| Errno::EFBIG)?;
    refuse_beyond_file_limit(len)?;
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Without MFD_NOEXEC_SEAL `vm.memfd_noexec=2` refuses; kernels before 6.3 do not know the flag.
    let memfd = match memfd_create(
        name,
        flags | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL),
    ) {
        Err(Errno::EINVAL) => memfd_create(name, flags)?,
        made => made?,
    };
    nix::unistd::ftruncate(&memfd, len)?;
    Ok(memfd)
}

/// Beyond `RLIMIT_FSIZE` the kernel would raise SIGXFSZ, which kills by default (setrlimit(2)).
pub(super) fn refuse_beyond_file_limit(len: i64) -> Result<()> {
    let (soft, _) = getrlimit(Resource::RLIMIT_FSIZE)?;
    if u64::try_from(len).is_ok_and(|len| len > soft) {
        Err(Errno::EFBIG)
    } else {
        Ok(())
    }
}

/// Forbids every further writable mapping and every further seal; mappings that exist stay writable.
pub(crate) fn seal_for_reading(memfd: impl AsFd) -> Result<()> {
    let seals = SealFlag::from_bits_retain(FUTURE_WRITE | libc::F_SEAL_SEAL);
    fcntl(memfd, FcntlArg::F_ADD_SEALS(seals)).map(drop)
}

/// What the receiver of a memfd demands before it maps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// The exact size in bytes.
    pub(crate) len: usize,
    /// Whether the memory must be closed to new writers (`F_SEAL_FUTURE_WRITE` and `F_SEAL_SEAL`).
    pub(crate) closed_to_writers: bool,
}

/// Verifies type, size and seals of memory that came from the other side: without the seals a peer could
/// truncate it and kill us with SIGBUS. `EINVAL` if anything is not as demanded.
///
/// The seals are compared as a mask: the kernel adds `F_SEAL_EXEC` for `MFD_NOEXEC_SEAL`. A tmpfs file and a
/// memfd without sealing report `F_SEAL_SEAL` alone and fail here; a hugetlb memfd has another magic.
pub(crate) fn verify(memfd: impl AsFd, demand: Demand) -> Result<()> {
    let mut wanted = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;
    if demand.closed_to_writers {
        wanted |= FUTURE_WRITE | libc::F_SEAL_SEAL;
    }
    if sealed_len(memfd, wanted)? == demand.len {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// The length of a memfd that has all of these seals, among them those of its size; `EINVAL` for anything else.
///
/// The seals come first: no seal is ever taken off, so what is read of the size after them is final. The other way
/// round the peer could cut the memory between the two looks.
fn sealed_len(memfd: impl AsFd, wanted: i32) -> Result<usize> {
    let seals = fcntl(&memfd, FcntlArg::F_GET_SEALS)?;
    let stat = fstat(&memfd)?;
    let regular = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG;
    let sealed = seals & wanted == wanted;
    if !sealed || !regular || fstatfs(&memfd)?.filesystem_type() != TMPFS_MAGIC {
        return Err(Errno::EINVAL);
    }
    usize::try_from(stat.st_size).map_err(|_| Errno::EINVAL)
}

/// Creates memory that holds `data` and that nobody can ever change again.
pub(crate) fn frozen(name: &std::ffi::CStr, data: &[u8]) -> Result<OwnedFd> {
    let mut draft = Draft::new(name)?;
    draft.write(data)?;
    draft.freeze()
}

/// The length of memory that nobody can ever change again; `EINVAL` if it is anything else.
///
/// All of it must be there: a page that is not would be allocated at its first touch, at the cost of whoever touches it, or, where
/// there is none, end that process with SIGBUS. Holes cannot be made after the seals (`FALLOC_FL_PUNCH_HOLE` is refused with
/// `F_SEAL_WRITE`, fcntl(2)). The first hole is looked for (lseek(2)): the number of blocks counts those beyond the end,
/// too. Pages that were swapped out are no holes.
pub(crate) fn frozen_len(memfd: impl AsFd) -> Result<usize> {
    let len = sealed_len(&memfd, FROZEN)?;
    // Without a byte there is no hole, and no page.
    if len == 0 || usize::try_from(lseek(&memfd, 0, Whence::SeekHole)?) == Ok(len) {
        Ok(len)
    } else {
        Err(Errno::EINVAL)
    }
}

/// Appends memory of exactly `len` bytes that the other side must have frozen; `EINVAL` if it has not, `ENOMEM` if
/// there is no room for it here. After an error `into` is what it was.
pub(crate) fn read_frozen(memfd: impl AsFd, len: usize, into: &mut Vec<u8>) -> Result<()> {
    let size = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;
    if sealed_len(&memfd, size | libc::F_SEAL_WRITE)? != len {
        return Err(Errno::EINVAL);
    }
    // Once, into its place: a second copy might not fit, and a plain growth would then abort the process.
    into.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    let start = into.len();
    into.resize(start.saturating_add(len), 0);
    let place = into.get_mut(start..).unwrap_or_default();
    let read = fill(memfd, place);
    if read.is_err() {
        into.truncate(start);
    }
    read
}

/// Reads a file from its beginning until `place` is full; `EINVAL` if it is shorter.
fn fill(file: impl AsFd, place: &mut [u8]) -> Result<()> {
    let mut filled = 0_usize;
    while filled < place.len() {
        let at = i64::try_from(filled).map_err(|_| Errno::EFBIG)?;
        match nix::sys::uio::pread(&file, place.get_mut(filled..).unwrap_or_default(), at)? {
            0 => return Err(Errno::EINVAL),
            got => filled = filled.saturating_add(got),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::{Demand, seal_for_reading, verify};

    const LEN: usize = 2 << 20;

    /// One huge page's worth, right in every other respect.
    fn closed(kind: MFdFlags) -> nix::Result<OwnedFd> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING | kind;
        let memfd = memfd_create(c"window", flags)?;
        nix::unistd::ftruncate(&memfd, i64::try_from(LEN).unwrap())?;
        let size = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
        fcntl(&memfd, FcntlArg::F_ADD_SEALS(size))?;
        seal_for_reading(&memfd)?;
        Ok(memfd)
    }

    /// Where no huge pages are set aside a mapping of them fails anyway, so that nobody outside sees who refused.
    #[test]
    fn memory_of_huge_pages_is_told_by_its_file_system() {
        let demand = || Demand {
            len: LEN,
            closed_to_writers: true,
        };
        let usual = closed(MFdFlags::empty()).unwrap();
        assert_eq!(verify(&usual, demand()), Ok(()));
        // Kernels without hugetlbfs have nothing to refuse.
        if let Ok(huge) = closed(MFdFlags::MFD_HUGETLB) {
            assert_eq!(verify(&huge, demand()), Err(Errno::EINVAL));
        }
    }

    /// A giver that shows the right size first, and cuts and seals the memory while it is looked at.
    #[test]
    fn memory_that_is_cut_while_it_is_looked_at_is_not_taken() {
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
        let mut taken = 0;
        for round in 0..20_000 {
            let memfd = memfd_create(
                c"window",
                MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
            );
            let memfd = memfd.unwrap();
            nix::unistd::ftruncate(&memfd, 4096).unwrap();
            let ready = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    ready.wait();
                    for _ in 0..round % 64 {
                        std::hint::spin_loop();
                    }
                    nix::unistd::ftruncate(&memfd, 0).unwrap();
                    fcntl(&memfd, FcntlArg::F_ADD_SEALS(seals)).unwrap();
                });
                ready.wait();
                let demand = Demand {
                    len: 4096,
                    closed_to_writers: false,
                };
                taken += i32::from(verify(&memfd, demand).is_ok());
            });
        }
        assert_eq!(taken, 0);
    }
}
