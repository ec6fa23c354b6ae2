//! Values as archives of rkyv, which are read where they lie.
//!
//! An argument or a result is an item: its length (4, little endian), 12 bytes of zero, the archive with its root at the end, and zeros
//! until the whole is a multiple of 16. So every archive begins where its types may lie, if the message does. A text and
//! bytes are items, too, as they are.

mod calls;
mod frozen;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use rkyv::api::{access_with_context, deserialize_using, serialize_using};
use rkyv::bytecheck::CheckBytes;
use rkyv::de::Pool;
use rkyv::primitive::ArchivedUsize;
use rkyv::rancor::{Failure, Strategy};
use rkyv::ser::allocator::ArenaHandle;
use rkyv::ser::sharing::Share;
use rkyv::ser::{Positional, Serializer, Writer};
use rkyv::util::{AlignedVec, with_arena};
use rkyv::validation::archive::ArchiveValidator;
use rkyv::{Archive, Deserialize, Portable, Serialize};

use super::decode::{DEPTH, Decoder};
use super::encode::Unwritable;
use super::error::Malformed;
use super::room;
use super::shape::Shape;

pub use frozen::{Freezing, FrozenArchive, Pour};

/// What the tags and the refusals of an interface say of this encoding.
pub const CODEC: &str = "rkyv 0.8";

/// Where an archive begins: as much as any type of rkyv's needs.
const ALIGNMENT: usize = 16;
/// An item's length, and what keeps the archive behind it aligned.
const HEAD: usize = ALIGNMENT;
/// What may stand behind an archive.
const ZEROS: [u8; ALIGNMENT] = [0; ALIGNMENT];

/// Values of this size have all their levels on any stack.
const SMALL: usize = 512;
/// So often a value is on the stack while it is taken out of its archive, where nothing is optimized.
const COPIES: usize = 8;
/// So many levels have also types that are too large to contain themselves so often.
const FEW: usize = 4;

/// What values are put by.
pub type Putting<'a> = Strategy<Serializer<&'a mut Sink, ArenaHandle<'a>, Share>, Failure>;
/// What archives are checked by. Its errors say nothing: to write them down would cost more than the check.
pub type Checking<'data> = Strategy<ArchiveValidator<'data>, Failure>;
/// What values are taken out of archives by.
pub type Restoring = Strategy<Pool, Failure>;

/// The end of a message, where an archive grows.
#[derive(Debug)]
pub struct Sink {
    message: Vec<u8>,
    /// Where the archive begins.
    begin: usize,
}

impl Positional for Sink {
    fn pos(&self) -> usize {
        self.message.len().saturating_sub(self.begin)
    }
}

impl<E> Writer<E> for Sink {
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "half of what it takes to put a small value"
    )]
    fn write(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.message.extend_from_slice(bytes);
        Ok(())
    }
}

/// Puts an item, whose content is put by `content`.
#[inline]
fn put_item(
    message: &mut Vec<u8>,
    content: impl FnOnce(&mut Vec<u8>) -> Result<(), Unwritable>,
) -> Result<(), Unwritable> {
    let start = message.len();
    message.extend_from_slice(&[0; HEAD]);
    let begin = message.len();
    content(message)?;
    let len = message.len().saturating_sub(begin);
    let len = u32::try_from(len).map_err(|_| Unwritable::TooLong)?;
    if let Some(head) = message.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
        *head = len.to_le_bytes();
    }
    message.resize(message.len().next_multiple_of(ALIGNMENT), 0);
    Ok(())
}

/// Puts bytes as they are.
fn put_bytes(message: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Unwritable> {
    put_item(message, |message| {
        message.extend_from_slice(bytes);
        Ok(())
    })
}

/// Puts the archive of a value.
#[inline]
fn put<T: for<'a> Serialize<Putting<'a>>>(
    message: &mut Vec<u8>,
    value: &T,
) -> Result<(), Unwritable> {
    const {
        assert!(
            align_of::<T::Archived>() <= ALIGNMENT,
            "an archive is aligned by 16 bytes at most"
        );
    }
    put_item(message, |message| {
        let mut sink = Sink {
            begin: message.len(),
            message: std::mem::take(message),
        };
        let put = with_arena(|arena| {
            let mut serializer = Serializer::new(&mut sink, arena.acquire(), Share::new());
            serialize_using::<_, Failure>(value, &mut serializer)
        });
        *message = sink.message;
        put.map(drop).map_err(|_| Unwritable::Itself)
    })
}

/// The content of the next item.
#[inline]
fn item<'data>(decoder: &mut Decoder<'data>) -> Result<&'data [u8], Malformed> {
    let head: [u8; HEAD] = decoder.fixed()?;
    let [a, b, c, d, zeros @ ..] = head;
    let len = usize::try_from(u32::from_le_bytes([a, b, c, d])).map_err(|_| Malformed::TooMany)?;
    let whole = decoder.part(len.next_multiple_of(ALIGNMENT))?;
    let (content, zeros_behind) = whole.split_at_checked(len).ok_or(Malformed::Short)?;
    // Else two programs could tell each other what a third does not see.
    if zeros != [0; HEAD - 4] || !ZEROS.starts_with(zeros_behind) {
        return Err(Malformed::BadValue);
    }
    Ok(content)
}

/// A checked archive. Whatever its pointers say, they lie inside it, none of them goes where another one has gone, and none down
/// deeper than [`DEPTH`].
#[inline]
fn check<'data, A>(bytes: &'data [u8]) -> Result<&'data A, Malformed>
where
    A: Portable + for<'check> CheckBytes<Checking<'check>>,
{
    check_down_to(bytes, usize::try_from(DEPTH).unwrap_or(0))
}

fn check_down_to<A>(bytes: &[u8], depth: usize) -> Result<&A, Malformed>
where
    A: Portable + for<'check> CheckBytes<Checking<'check>>,
{
    let depth = NonZeroUsize::new(depth);
    let mut context = ArchiveValidator::with_max_depth(bytes, depth);
    access_with_context::<A, _, Failure>(bytes, &mut context).map_err(|_| Malformed::BadValue)
}

/// How deep an archive may go down from which a value is taken.
///
/// Nobody is asked on the way down, and each level takes stack: where a type contains itself, its size a few times over. What lies deeper
/// in another type is not known here.
fn levels<T>() -> usize {
    let all = usize::try_from(DEPTH).unwrap_or(0);
    if size_of::<T>() <= SMALL {
        return all;
    }
    let level = size_of::<T>().saturating_mul(COPIES);
    let levels = room::left().checked_div(level).unwrap_or(all);
    levels.clamp(FEW, all)
}

/// The value of an archive.
#[inline]
fn restore<T>(bytes: &[u8]) -> Result<T, Malformed>
where
    T: Archive,
    T::Archived: for<'check> CheckBytes<Checking<'check>> + Deserialize<T, Restoring>,
{
    let archived = check_down_to::<T::Archived>(bytes, levels::<T>())?;
    deserialize_using::<T, _, Failure>(archived, &mut Pool::new()).map_err(|_| Malformed::BadValue)
}

/// A message where archives may lie: there, or a copy. Every allocator that we know aligns so; none has to.
pub(super) fn aligned<'m>(message: &'m [u8], copy: &'m mut AlignedVec<ALIGNMENT>) -> &'m [u8] {
    if message.as_ptr().addr().is_multiple_of(ALIGNMENT) {
        return message;
    }
    copy.extend_from_slice(message);
    copy
}

/// What is known of an archive without its type: its root, and how numbers and distances are put, which features of rkyv decide.
fn shape_of<A>() -> Shape {
    Shape::Archive(described::<A>())
}

fn described<A>() -> String {
    let word = std::any::type_name::<ArchivedUsize>();
    let word = word.rsplit(':').next().unwrap_or(word);
    let (bytes, align) = (size_of::<A>(), align_of::<A>());
    format!("{bytes} bytes by {align}, {word}")
}
