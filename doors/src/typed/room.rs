//! How much of the stack values may take.
//!
//! A level of a value takes as much stack as its type is large, a few times over, so that a number of levels alone bounds
//! nothing: a list whose elements have some 32 KiB each is at the end of a stack of 2 MiB long before a hundred levels, and a
//! byte for each is all that a peer needs to go down there.

use std::cell::OnceCell;
use std::ops::Range;

use crate::sys::stack;

/// So much is on any stack.
const SURE: usize = 16 * 1024;

/// After so much more the stack is looked at again.
const STEP: usize = 8 * 1024;

/// So much is taken to be left on a stack whose end nobody knows: that of a coroutine, or of the first thread where there is no
/// `/proc`.
const UNKNOWN: usize = 256 * 1024;

thread_local! {
    /// Where the thread's stack lies.
    static STACK: OnceCell<Option<Range<usize>>> = const { OnceCell::new() };
}

/// What values may take of the stack of the thread on which they are put or taken: three quarters of what was left at their
/// beginning.
///
/// The last quarter is for a level that is larger than all before, which is not seen before it is there, and for whoever is called
/// with the value.
#[derive(Debug)]
pub(super) struct Room {
    /// Where it began: stacks grow downwards.
    top: usize,
    /// Where it was when it was looked at last.
    last: usize,
    /// Down to here it need not be looked at.
    sure: usize,
    /// The longest way from one look to the next.
    longest: usize,
}

impl Room {
    /// What is there from here on.
    #[inline]
    pub(super) fn here() -> Self {
        let top = address();
        Self {
            top,
            last: top,
            sure: top.saturating_sub(SURE),
            longest: 0,
        }
    }

    /// Whether a value may go a level down.
    #[inline]
    pub(super) fn is_left(&mut self) -> bool {
        let here = address();
        here >= self.sure || self.is_left_at(here)
    }

    #[cold]
    fn is_left_at(&mut self, here: usize) -> bool {
        // Its stack is not one piece of memory.
        if cfg!(miri) {
            return true;
        }
        let end = self.end();
        self.longest = self.longest.max(self.last.saturating_sub(here));
        self.last = here;
        self.sure = here.saturating_sub(STEP);
        // The next level may be as large as the largest of those before.
        here.saturating_sub(self.longest) >= end
    }

    /// Where the values' part ends.
    fn end(&self) -> usize {
        let known = STACK.try_with(|stack| {
            let stack = stack.get_or_init(stack::bounds).clone();
            stack.filter(|stack| stack.contains(&self.top))
        });
        let left = match known {
            Ok(Some(stack)) => self.top.saturating_sub(stack.start),
            _ => UNKNOWN,
        };
        self.top.saturating_sub(left.saturating_sub(left / 4))
    }
}

/// How much values may take from here on.
#[cfg(feature = "rkyv")]
pub(super) fn left() -> usize {
    let room = Room::here();
    room.top.saturating_sub(room.end())
}

/// Of something on the stack.
#[inline]
fn address() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}

#[cfg(test)]
mod tests;
