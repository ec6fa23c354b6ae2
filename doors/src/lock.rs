//! Locks that no panic can leave unusable.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose data no panic can leave half changed (nothing of ours panics while it holds one).
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(test)]
    count::one();
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many locks each thread has taken: no call between two that came before may take any.
#[cfg(test)]
pub(crate) mod count {
    use std::cell::Cell;

    thread_local! {
        static TAKEN: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn one() {
        // A thread that ends has no count any more.
        let _counted = TAKEN.try_with(|taken| taken.set(taken.get().wrapping_add(1)));
    }

    /// Locks that the calling thread has taken.
    pub(crate) fn taken() -> u64 {
        TAKEN.get()
    }
}
