//! Archives in frozen memory, which travel as descriptors and are read where they lie.

mod pour;
#[cfg(test)]
mod tests;
mod travel;

use std::fmt;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rkyv::bytecheck::CheckBytes;
use rkyv::{Archive, Serialize};

use super::{Checking, check};
use crate::frozen::{Frozen, FrozenError};
use crate::sys::placed::Placed;
use crate::sys::view::PAGE;
use crate::typed::look::told;

pub use pour::{Freezing, Pour};

/// A value in memory that nobody can change any more, to be read where it lies, in any process that has it: [`Frozen`] bytes that
/// are an archive of rkyv.
///
/// It is made once, from a value, and is an argument, a result or a part of one as any other value under `#[door]`, in an `Option`, a `Vec` or
/// a structure, too; under `#[door(codec = "rkyv")]` it is an argument or a result itself. Only a descriptor travels. Whoever receives it has the
/// same memory, and may pass it on. A clone is the same memory and the same mapping.
///
/// # What a receiver relies on
/// Before the method runs, once: the descriptor is of a memfd with all four seals, all of whose pages are there; there are at most
/// `LIMIT` bytes; they are an archive of the type, all of whose pointers lie inside it, none deeper than
/// [`DEPTH`](crate::typed::DEPTH). Anything else is [`Refused::BadArgument`](crate::typed::Refused::BadArgument). After that nothing
/// is checked again, and need not be: no seal is ever taken off; `F_SEAL_WRITE` is given only where no writable mapping is left, and forbids
/// all writing, mapping for writing and punching since; `F_SEAL_SHRINK` keeps every page where it is, so that no access ends in SIGBUS
/// (fcntl(2)). `F_SEAL_FUTURE_WRITE` in its place would leave the maker a mapping to write by, and is not taken.
///
/// # Limits
/// `LIMIT` is 1 GiB unless the type says otherwise: `FrozenArchive<Index, { 16 << 20 }>` takes, and makes, at most 16 MiB. As the type is
/// written in the method, so is its limit agreed on. An archive is never larger than 2 GiB: its pointers have 32 bits, unless a feature
/// of rkyv gives them more. The memory is its maker's; a receiver pays one descriptor, one mapping, and the time for one look at what
/// has to be checked, which is everything but plain numbers.
///
/// # When it pays
/// From a megabyte on, for values that several processes keep or one gets again and again, and for readers of a small part of much. What travels
/// once is carried faster by the call itself, as a rule. ARCHITECTURE.md has the figures.
///
/// # Examples
/// ```
/// use doors::{FrozenArchive, door};
/// use rkyv::{Archive, Deserialize, Serialize};
///
/// /// Words in their order.
/// #[derive(Archive, Serialize, Deserialize)]
/// struct Index {
///     words: Vec<String>,
/// }
///
/// #[door]
/// fn find(index: FrozenArchive<Index>, word: &str) -> Option<usize> {
///     let words = &index.words;
///     words.binary_search_by(|other| other.as_str().cmp(word)).ok()
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let words = ["door", "floor", "wall"].map(String::from).to_vec();
/// let index = FrozenArchive::new(&Index { words })?;
/// let client = FindClient::from(find::door()?);
/// assert_eq!(client.call(index.clone(), "floor")?, Some(1));
/// assert_eq!(client.call(index, "roof")?, None);
/// # Ok(())
/// # }
/// ```
pub struct FrozenArchive<T: Archive, const LIMIT: usize = { 1 << 30 }>(Arc<Memory<T::Archived>>);

struct Memory<A> {
    /// `None` for those only that are looked at instead of read.
    archive: Option<Placed<A>>,
    descriptor: OwnedFd,
}

impl<T: Archive> FrozenArchive<T>
where
    T::Archived: for<'check> CheckBytes<Checking<'check>>,
{
    /// Puts a value into memory that nobody can change any more, at once: there is no copy of all of it in between.
    ///
    /// What is made is checked as a receiver checks it, so that what can be made can be received.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Errors
    /// [`FrozenError::System`] when memory, descriptors or `RLIMIT_FSIZE` are short; [`FrozenError::TooLarge`];
    /// [`FrozenError::Unwritable`] when the value does not let itself be put, [`FrozenError::NotArchive`] when it is nested too
    /// deep.
    pub fn new(value: &T) -> Result<Self, FrozenError>
    where
        T: for<'a> Serialize<Freezing<'a>>,
    {
        Self::within(value)
    }

    /// Takes an archive that came as a descriptor, in at most so many bytes. Those that come as arguments and results need no such
    /// call.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Errors
    /// With the descriptor closed: as [`Frozen::from_descriptor`], and [`FrozenError::NotArchive`].
    ///
    /// # Death
    /// The archive stays when its giver dies.
    pub fn from_descriptor(memory: OwnedFd, limit: usize) -> Result<Self, FrozenError> {
        Self::read(memory, limit)
    }
}

impl<T: Archive, const LIMIT: usize> FrozenArchive<T, LIMIT>
where
    T::Archived: for<'check> CheckBytes<Checking<'check>>,
{
    /// As [`new`](FrozenArchive::new), for a type with a limit of its own.
    ///
    /// # Errors
    /// As `new`.
    pub fn within(value: &T) -> Result<Self, FrozenError>
    where
        T: for<'a> Serialize<Freezing<'a>>,
    {
        Self::read(pour::pour(value)?, LIMIT)
    }

    fn read(descriptor: OwnedFd, limit: usize) -> Result<Self, FrozenError> {
        Self::find(descriptor, limit).map_err(|(_closed, error)| error)
    }

    /// Verifies, maps and checks; gives back what is none.
    fn find(descriptor: OwnedFd, limit: usize) -> Result<Self, (OwnedFd, FrozenError)> {
        const {
            assert!(
                align_of::<T::Archived>() <= PAGE.get(),
                "a mapping is aligned by a page"
            );
        }
        // The mapping begins at a page, so the root lies as aligned as its place in the archive is, which the check looks at.
        let archive = Frozen::view(&descriptor, limit).and_then(|view| {
            Placed::find(view, check::<T::Archived>).map_err(|_| FrozenError::NotArchive)
        });
        match archive {
            Ok(archive) => Ok(Self(Arc::new(Memory {
                archive: Some(archive),
                descriptor,
            }))),
            Err(error) => Err((descriptor, error)),
        }
    }
}

impl<T: Archive, const LIMIT: usize> FrozenArchive<T, LIMIT> {
    /// The archive, where it lies.
    ///
    /// A `Deserialize` that looks into an archive which is a part of what it reads is tried without one when the method's types are looked at,
    /// and where the value has an [`Fd`](crate::typed::Fd) beside: it is left at this place then, by unwinding. A program with
    /// `panic = "abort"` cannot do that and would end here, when it makes the door or the client's first call: there such a `Deserialize`
    /// has to keep the archive, and somebody else to look into it.
    #[must_use]
    pub fn get(&self) -> &T::Archived {
        self.placed().get()
    }

    /// All bytes of the archive; its root is at the end.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.placed().bytes()
    }

    fn placed(&self) -> &Placed<T::Archived> {
        let Some(archive) = &self.0.archive else {
            told::refuse();
        };
        archive
    }
}

impl<T: Archive, const LIMIT: usize> Deref for FrozenArchive<T, LIMIT> {
    type Target = T::Archived;

    fn deref(&self) -> &T::Archived {
        self.get()
    }
}

impl<T: Archive, const LIMIT: usize> Clone for FrozenArchive<T, LIMIT> {
    /// The same memory.
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Archive, const LIMIT: usize> AsFd for FrozenArchive<T, LIMIT> {
    /// The descriptor, to be lent to a call or a reply.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.descriptor.as_fd()
    }
}

impl<T: Archive, const LIMIT: usize> TryFrom<FrozenArchive<T, LIMIT>> for OwnedFd {
    type Error = std::io::Error;

    /// The descriptor, to be released with a call or a reply; another one where there are clones.
    fn try_from(frozen: FrozenArchive<T, LIMIT>) -> std::io::Result<Self> {
        Arc::try_unwrap(frozen.0).map_or_else(
            |shared| shared.descriptor.try_clone(),
            |own| Ok(own.descriptor),
        )
    }
}

impl<T: Archive, const LIMIT: usize> fmt::Debug for FrozenArchive<T, LIMIT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.archive.as_ref().map(|archive| archive.bytes().len());
        f.debug_struct("FrozenArchive")
            .field("bytes", &bytes.unwrap_or_default())
            .finish_non_exhaustive()
    }
}
