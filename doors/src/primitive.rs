//! The atomics of this crate.
//!
//! The algorithms of `channel::state` and `channel::rounds` are written over the traits here, so that the same code runs on the shared
//! words of a window and, under `--cfg loom`, on loom's.

#![expect(clippy::disallowed_types, reason = "the one place that names them")]

pub(crate) use std::sync::atomic::Ordering;

pub(crate) type AtomicBool = std::sync::atomic::AtomicBool;
pub(crate) type AtomicPtr<T> = std::sync::atomic::AtomicPtr<T>;
pub(crate) type AtomicU32 = std::sync::atomic::AtomicU32;
pub(crate) type AtomicU64 = std::sync::atomic::AtomicU64;
pub(crate) type AtomicUsize = std::sync::atomic::AtomicUsize;

/// A fence of the given order; loom's under `--cfg loom`.
#[cfg(not(loom))]
#[inline]
#[expect(clippy::disallowed_methods, reason = "the one place that calls it")]
pub(crate) fn fence(order: Ordering) {
    std::sync::atomic::fence(order);
}

/// A fence of the given order; loom's under `--cfg loom`.
#[cfg(loom)]
pub(crate) fn fence(order: Ordering) {
    loom::sync::atomic::fence(order);
}

/// A 32-bit word that two sides look at and one side stores.
pub(crate) trait Word {
    /// Loads the word with the given order.
    fn load(&self, order: Ordering) -> u32;
    /// Stores the word with the given order.
    fn store(&self, value: u32, order: Ordering);
}

/// A 64-bit word that two sides look at and one side stores.
pub(crate) trait LongWord {
    /// Loads the word with the given order.
    fn load(&self, order: Ordering) -> u64;
    /// Stores the word with the given order.
    fn store(&self, value: u64, order: Ordering);
}

/// A number that is counted up, in the one order of all that do.
pub(crate) trait Count: LongWord {
    /// Adds to the number; what it was.
    fn add(&self, number: u64, order: Ordering) -> u64;
    /// Makes the number at least this one.
    fn raise(&self, number: u64, order: Ordering);
}

/// A mark that is put and taken away, in the one order of all that do.
pub(crate) trait Mark {
    /// Whether it is there.
    fn load(&self, order: Ordering) -> bool;
    /// Puts it or takes it away; whether it was there.
    fn swap(&self, there: bool, order: Ordering) -> bool;
}

macro_rules! word {
    ($kind:ident, $number:ty, $($atomic:ty),+) => { $(
        impl $kind for $atomic {
            #[inline(always)]
            fn load(&self, order: Ordering) -> $number {
                <$atomic>::load(self, order)
            }
            #[inline(always)]
            fn store(&self, value: $number, order: Ordering) {
                <$atomic>::store(self, value, order);
            }
        }
    )+ };
}

word!(Word, u32, AtomicU32);
word!(LongWord, u64, AtomicU64);
#[cfg(loom)]
word!(Word, u32, loom::sync::atomic::AtomicU32);
#[cfg(loom)]
word!(LongWord, u64, loom::sync::atomic::AtomicU64);

macro_rules! marks {
    ($count:ty, $mark:ty) => {
        impl Count for $count {
            #[inline(always)]
            fn add(&self, number: u64, order: Ordering) -> u64 {
                self.fetch_add(number, order)
            }
            #[inline(always)]
            fn raise(&self, number: u64, order: Ordering) {
                self.fetch_max(number, order);
            }
        }
        impl Mark for $mark {
            #[inline(always)]
            fn load(&self, order: Ordering) -> bool {
                <$mark>::load(self, order)
            }
            #[inline(always)]
            fn swap(&self, there: bool, order: Ordering) -> bool {
                <$mark>::swap(self, there, order)
            }
        }
    };
}

marks!(AtomicU64, AtomicBool);
#[cfg(loom)]
marks!(
    loom::sync::atomic::AtomicU64,
    loom::sync::atomic::AtomicBool
);
