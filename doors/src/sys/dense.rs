//! Counted values that lie side by side, in the order in which they were made.
//!
//! What many calls touch in turn, a little of each, should lie in few pages, and in lines that follow one another: those that the
//! processor fetches by itself. The allocator puts what is made between two such values between them.
//!
//! Invariants: D1 a place is free, or one value is in it until the last [`Dense`] of that goes; whoever takes the free mark away
//! has the place. D2 a value holds its block, so the memory is there for as long as any of its values.
#![expect(unsafe_code, reason = "places of one block end one by one")]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::process::abort;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use crate::primitive::{AtomicU64, AtomicUsize, Ordering, fence};

/// A block is about as large; what nobody has touched of it takes no memory. Of a quarter of that, ten thousand doors that are called
/// in turn lie in twice as many pages, and a call takes 70 ns more; of four times as much it takes no less.
const BLOCK_BYTES: usize = 16 * 1024;
/// Places whose marks are in one word.
const MARKS: usize = 64;

/// A counted reference, as [`Arc`] is one without the weak ones.
pub(crate) struct Dense<T: Shelved> {
    place: NonNull<Place<T>>,
    _owns: PhantomData<T>,
}

/// Where the values of one type are put: the blocks, the one that is being filled last.
pub(crate) struct Shelf<T>(Mutex<Vec<Arc<Block<T>>>>);

/// What lies side by side with its like.
pub(crate) trait Shelved: Send + Sync + Sized + 'static {
    /// The one shelf of this type.
    fn shelf() -> &'static Shelf<Self>;
}

/// The value comes first, at the beginning of a cache line. No two values share one: threads of different callers would take it from
/// each other.
#[repr(C, align(64))]
struct Place<T> {
    value: T,
    count: AtomicUsize,
    /// For D2.
    block: Arc<Block<T>>,
}

/// Memory for values.
struct Block<T> {
    places: Box<[UnsafeCell<MaybeUninit<Place<T>>>]>,
    /// A mark for each that is free. Set by whoever ends a value, taken away under the lock of the shelf.
    free: Box<[AtomicU64]>,
    /// How many are not.
    used: AtomicUsize,
}

// SAFETY: it gives shared access to the value, and whoever goes last drops it: what `Arc` asks for.
unsafe impl<T: Shelved> Send for Dense<T> {}
// SAFETY: as above.
unsafe impl<T: Shelved> Sync for Dense<T> {}
// SAFETY: a block does nothing with its places but hold their memory; the values are `Dense`'s.
unsafe impl<T: Send + Sync> Send for Block<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Block<T> {}

impl<T> Block<T> {
    /// Places of a block, at least one.
    const PLACES: usize = {
        let many = BLOCK_BYTES.div_euclid(size_of::<Place<T>>());
        if many > 0 { many } else { 1 }
    };
    /// One with fewer values is filled again before another is made: values that outlive their neighbours hold little more than
    /// they need.
    const ROOMY: usize = Self::PLACES.div_euclid(4).saturating_mul(3);

    fn new(places: usize) -> Arc<Self> {
        let marks = |from: usize| {
            let many = u32::try_from(places.saturating_sub(from)).unwrap_or(u32::MAX);
            AtomicU64::new(1_u64.unbounded_shl(many).wrapping_sub(1))
        };
        Arc::new(Self {
            places: (0..places)
                .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
                .collect(),
            free: (0..places).step_by(MARKS).map(marks).collect(),
            used: AtomicUsize::new(0),
        })
    }

    fn first(&self) -> NonNull<Place<T>> {
        NonNull::from(&*self.places).cast()
    }

    /// Takes the first free place, if there is one; its number. One thread at a time.
    fn take(&self) -> Option<usize> {
        // Acquire: whatever was done with the value that was there is over.
        let marks = |word: &AtomicU64| word.load(Ordering::Acquire);
        let word = self.free.iter().position(|word| marks(word) != 0)?;
        let of = self.free.get(word)?;
        let mark = marks(of).trailing_zeros();
        of.fetch_and(!1_u64.unbounded_shl(mark), Ordering::Relaxed);
        self.used.fetch_add(1, Ordering::Relaxed);
        let before = word.saturating_mul(MARKS);
        Some(before.saturating_add(usize::try_from(mark).ok()?))
    }

    /// There is nothing any more in the place of this number. True: nor in any other.
    fn give_back(&self, number: usize) -> bool {
        let mark = u32::try_from(number % MARKS).unwrap_or(u32::MAX);
        if let Some(word) = self.free.get(number.div_euclid(MARKS)) {
            word.fetch_or(1_u64.unbounded_shl(mark), Ordering::Release);
        }
        self.used.fetch_sub(1, Ordering::AcqRel) == 1
    }

    fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }
}

impl<T> Shelf<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// A place that was free: its block, and its number there.
    fn take(&self) -> Option<(Arc<Block<T>>, usize)> {
        // Nobody waits: in a child that was forked while somebody had the lock, it is never free again.
        let mut blocks = self.0.try_lock().ok()?;
        let take = |blocks: &[Arc<Block<T>>]| {
            let open = blocks.last()?;
            Some((Arc::clone(open), open.take()?))
        };
        take(&blocks).or_else(|| {
            let roomy = |block: &Arc<Block<T>>| block.used() <= Block::<T>::ROOMY;
            let open = blocks.iter().position(roomy).map_or_else(
                || Block::new(Block::<T>::PLACES),
                |roomy| blocks.swap_remove(roomy),
            );
            blocks.push(open);
            take(&blocks)
        })
    }

    /// A block has become empty. If nobody may look now, it is found with the next one.
    fn tidy(&self) {
        if let Ok(mut blocks) = self.0.try_lock() {
            let open = blocks.pop();
            blocks.retain(|block| block.used() > 0);
            blocks.extend(open);
        }
    }
}

impl<T: Shelved> Dense<T> {
    pub(crate) fn new(value: T) -> Self {
        let (block, number) = T::shelf().take().unwrap_or_else(|| {
            // It lies by itself.
            let block = Block::new(1);
            let number = block.take().unwrap_or(0);
            (block, number)
        });
        // SAFETY: `Block::take` gives numbers below that of the block's places; a block has one at least, of number 0.
        let place = unsafe { block.first().add(number) };
        let filled = Place {
            value,
            count: AtomicUsize::new(1),
            block,
        };
        // SAFETY: inside the block, aligned as its element; it was free and is ours (D1), and there is nothing in it.
        unsafe { place.write(filled) };
        Self {
            place,
            _owns: PhantomData,
        }
    }

    #[inline]
    fn place(&self) -> &Place<T> {
        // SAFETY: D1: a value is in it while this reference counts; D2: its memory is there. Nobody changes it but by atomics.
        unsafe { self.place.as_ref() }
    }

    /// Whether both refer to the same value.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// The last reference goes.
    #[cold]
    fn end(&self) {
        // What others did with the value before they let go of it comes before its end.
        fence(Ordering::Acquire);
        // SAFETY: D1: nobody refers to the place any more, and it is not read again before it is filled anew.
        let last = unsafe { self.place.read() };
        let Place { value, block, .. } = last;
        let first = block.first().addr().get();
        let bytes = self.place.addr().get().saturating_sub(first);
        // Not before it is read. The value itself may do anything at its end, such as to make others.
        if block.give_back(bytes.div_euclid(size_of::<Place<T>>())) {
            T::shelf().tidy();
        }
        drop(block);
        drop(value);
    }
}

impl<T: Shelved> Clone for Dense<T> {
    #[inline]
    fn clone(&self) -> Self {
        // Relaxed: whoever has a reference may hand on another.
        let before = self.place().count.fetch_add(1, Ordering::Relaxed);
        if before > usize::MAX.div_euclid(2) {
            // Somebody forgets references for ever. As `Arc` does.
            abort();
        }
        Self {
            place: self.place,
            _owns: PhantomData,
        }
    }
}

impl<T: Shelved> Drop for Dense<T> {
    #[inline]
    fn drop(&mut self) {
        if self.place().count.fetch_sub(1, Ordering::Release) == 1 {
            self.end();
        }
    }
}

impl<T: Shelved> Deref for Dense<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.place().value
    }
}

impl<T: Shelved + fmt::Debug> fmt::Debug for Dense<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Says when it ends.
    struct Mortal {
        number: usize,
        ended: Arc<AtomicUsize>,
    }

    impl Drop for Mortal {
        fn drop(&mut self) {
            self.ended.fetch_add(self.number, Ordering::Relaxed);
        }
    }

    impl Shelved for Mortal {
        fn shelf() -> &'static Shelf<Self> {
            static SHELF: Shelf<Mortal> = Shelf::new();
            &SHELF
        }
    }

    fn ended(of: &AtomicUsize) -> usize {
        of.load(Ordering::Relaxed)
    }

    #[test]
    fn each_value_ends_once_with_its_last_reference() {
        let of = Arc::new(AtomicUsize::new(0));
        let many = 3 * Block::<Mortal>::PLACES;
        let all: Vec<_> = (1..=many)
            .map(|number| {
                let ended = Arc::clone(&of);
                Dense::new(Mortal { number, ended })
            })
            .collect();
        assert!(
            all.iter()
                .zip(1..)
                .all(|(one, number)| one.number == number)
        );
        let copies = all.clone();
        assert!(all.iter().zip(&copies).all(|(one, copy)| one.is(copy)));
        assert!(!all[0].is(&all[1]));
        drop(all);
        assert_eq!(ended(&of), 0);
        // Some of each block, so that each outlives others of it.
        let (odd, even): (Vec<_>, Vec<_>) = copies.into_iter().partition(|one| one.number % 2 == 1);
        drop(odd);
        let sum = |step: usize| (step..=many).step_by(2).sum::<usize>();
        assert_eq!(ended(&of), sum(1));
        assert!(
            even.iter()
                .zip(1..)
                .all(|(one, half)| one.number == 2 * half)
        );
        drop(even);
        assert_eq!(ended(&of), sum(1) + sum(2));
        assert_eq!(Arc::strong_count(&of), 1);
    }

    #[test]
    fn threads_that_make_and_share_values_lose_none() {
        let of = Arc::new(AtomicUsize::new(0));
        let many = 2 * Block::<Mortal>::PLACES;
        let shared = Dense::new(Mortal {
            number: 1,
            ended: Arc::clone(&of),
        });
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..many {
                        let ended = Arc::clone(&of);
                        let own = Dense::new(Mortal { number: 2, ended });
                        let other = shared.clone();
                        assert_eq!((own.number, other.number), (2, 1), "{number}");
                    }
                });
            }
        });
        assert_eq!(ended(&of), 8 * many);
        drop(shared);
        assert_eq!(ended(&of), 8 * many + 1);
        assert_eq!(Arc::strong_count(&of), 1);
    }

    #[test]
    fn few_values_that_outlive_their_neighbours_hold_few_blocks() {
        struct Lone;
        impl Shelved for Lone {
            fn shelf() -> &'static Shelf<Self> {
                static SHELF: Shelf<Lone> = Shelf::new();
                &SHELF
            }
        }
        let blocks = || Lone::shelf().0.lock().unwrap().len();
        let mut stay = Vec::new();
        let many = Block::<Lone>::PLACES;
        // In each block that is filled one stays.
        for _ in 0..20 {
            let mut all: Vec<_> = (0..many).map(|_| Dense::new(Lone)).collect();
            stay.extend(all.pop());
        }
        assert!(blocks() <= 2, "{}", blocks());
        // Of many at once, those without any value go.
        let all: Vec<_> = (0..20 * many).map(|_| Dense::new(Lone)).collect();
        assert!(blocks() >= 20);
        drop(all);
        assert!(blocks() <= 3, "{}", blocks());
        drop(stay);
        assert_eq!(blocks(), 1);
    }

    #[test]
    fn one_that_finds_the_shelf_taken_lies_by_itself() {
        let of = Arc::new(AtomicUsize::new(0));
        let taken = Mortal::shelf().0.lock();
        let one = Dense::new(Mortal {
            number: 7,
            ended: Arc::clone(&of),
        });
        drop(taken);
        assert_eq!(one.number, 7);
        drop(one);
        assert_eq!(ended(&of), 7);
    }
}
