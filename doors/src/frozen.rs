//! Bytes that travel as a descriptor and are read in place.

use std::fmt;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use crate::sys::memfd;
use crate::sys::view::View;

/// Bytes in memory that nobody can change any more, neither their maker nor anybody else: they travel as a descriptor and are
/// read in place, without a copy.
///
/// The memory is a memfd with the seals `SHRINK`, `GROW`, `WRITE` and `SEAL`; any program can make one (`memfd_create(2)`).
/// It lives for as long as somebody has a descriptor or a mapping of it.
///
/// # When it pays
/// Making one costs a fresh page for every 4 KiB, which is several times their copy: data that go to one reader once are
/// carried faster by the call itself, whatever their size. It pays for data that go to several readers or several times,
/// and for readers that look at a small part of much. ARCHITECTURE.md has the figures. Values of many parts are frozen as a `FrozenArchive`
/// (feature `rkyv`).
///
/// # Limits
/// The memory is charged to the process that made it, or its cgroup, until the last reader has let go of it. Each reader has a
/// descriptor and a mapping of it. What a receiver accepts it says itself ([`from_descriptor`](Self::from_descriptor)).
///
/// # Examples
/// A door that counts zeroes, in place:
/// ```
/// use std::os::fd::AsFd;
///
/// use doors::{Door, DoorAttributes, Frozen};
///
/// let zeroes = Door::create(
///     |mut call| {
///         let given = call.take_descriptors().pop();
///         // At most 1 MiB: what is larger is not mapped.
///         match given.map(|given| Frozen::from_descriptor(given, 1 << 20)) {
///             Some(Ok(bytes)) => {
///                 let count = bytes.iter().filter(|byte| **byte == 0).count();
///                 call.door_return(&count.to_le_bytes(), vec![])
///             }
///             _ => call.door_return(&[], vec![]),
///         }
///     },
///     DoorAttributes::empty(),
/// )?;
/// let data = Frozen::new(&[0, 1, 0, 3])?;
/// for _ in 0..3 {
///     let reply = zeroes.call(&[], vec![data.as_fd().into()])?;
///     assert_eq!(reply.data, 2_usize.to_le_bytes());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Frozen {
    view: View,
    memory: OwnedFd,
}

/// Why bytes cannot be frozen, or what came is not taken for frozen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrozenError {
    /// The descriptor is of something else, or somebody might change or cut it (EINVAL).
    #[doc(alias = "EINVAL")]
    #[error("the descriptor is not of frozen memory")]
    NotFrozen,
    /// There are more bytes than the receiver takes (EFBIG).
    #[doc(alias = "EFBIG")]
    #[error("{len} frozen bytes are more than {limit}")]
    TooLarge {
        /// How many there are.
        len: usize,
        /// How many are taken.
        limit: usize,
    },
    /// They are no archive of the type that is wanted (EINVAL).
    #[doc(alias = "EINVAL")]
    #[error("the frozen bytes are no archive of the type")]
    NotArchive,
    /// A value cannot be put into an archive (EINVAL).
    #[doc(alias = "EINVAL")]
    #[error("the value cannot be put into an archive")]
    Unwritable,
    /// A system call failed.
    #[error("cannot {op}")]
    System {
        /// What was tried.
        op: &'static str,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
}

impl FrozenError {
    /// The error number of the C library.
    #[must_use]
    pub fn errno(self) -> i32 {
        let errno = match self {
            Self::NotFrozen | Self::NotArchive | Self::Unwritable => Errno::EINVAL,
            Self::TooLarge { .. } => Errno::EFBIG,
            Self::System { source, .. } => source,
        };
        std::io::Error::from(errno).raw_os_error().unwrap_or(0)
    }
}

impl Frozen {
    /// Copies bytes into memory that nobody can change any more.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Errors
    /// [`FrozenError::System`] when memory, descriptors or `RLIMIT_FSIZE` are short.
    pub fn new(bytes: &[u8]) -> Result<Self, FrozenError> {
        let failed = |source| FrozenError::System {
            op: "freeze memory",
            source,
        };
        let memory = memfd::frozen(c"doors-frozen", bytes).map_err(failed)?;
        let view = View::new(&memory, bytes.len()).map_err(failed)?;
        let limit = bytes.len();
        let view = view.map_err(|len| FrozenError::TooLarge { len, limit })?;
        Ok(Self { view, memory })
    }

    /// Takes bytes that came as a descriptor, at most so many, after a look at what it is: memory in all four seals, all of
    /// which is there. Nothing its giver does later can change the bytes or take them away.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Errors
    /// With the descriptor closed: [`FrozenError::NotFrozen`] for anything else (a file, memory that can still be written, cut
    /// or extended, memory with holes, huge pages); [`FrozenError::TooLarge`]; [`FrozenError::System`] when there is no room
    /// for the mapping.
    ///
    /// # Death
    /// The bytes stay when their giver dies.
    pub fn from_descriptor(memory: OwnedFd, limit: usize) -> Result<Self, FrozenError> {
        let view = Self::view(&memory, limit)?;
        Ok(Self { view, memory })
    }

    /// The bytes of a descriptor that is still somebody else's to close.
    pub(crate) fn view(memory: &OwnedFd, limit: usize) -> Result<View, FrozenError> {
        let failed = |source| match source {
            Errno::EINVAL | Errno::ENOSYS | Errno::EBADF => FrozenError::NotFrozen,
            source => FrozenError::System {
                op: "map frozen memory",
                source,
            },
        };
        let view = View::new(memory, limit).map_err(failed)?;
        view.map_err(|len| FrozenError::TooLarge { len, limit })
    }
}

impl Deref for Frozen {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.view.bytes()
    }
}

impl AsRef<[u8]> for Frozen {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsFd for Frozen {
    /// The descriptor, to be lent to a call or a reply.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

impl From<Frozen> for OwnedFd {
    /// The descriptor, to be released with a call or a reply.
    fn from(frozen: Frozen) -> Self {
        frozen.memory
    }
}

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frozen")
            .field("bytes", &self.len())
            .finish_non_exhaustive()
    }
}
