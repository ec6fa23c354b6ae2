//! The stack of the calling thread.
#![expect(unsafe_code, reason = "where a stack lies has no wrapper")]

use std::mem::MaybeUninit;
use std::ops::Range;

/// Where the calling thread's stack lies, if the C library knows.
///
/// Of the thread that runs `main` that is how far it may grow, read from `/proc/self/maps` (`pthread_getattr_np(3)`).
pub(crate) fn bounds() -> Option<Range<usize>> {
    // SAFETY: it has no conditions (pthread_self(3)).
    let this = unsafe { libc::pthread_self() };
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: the thread lives, for it is this one; the attributes are written to memory that is there for them.
    let error = unsafe { libc::pthread_getattr_np(this, attributes.as_mut_ptr()) };
    if error != 0 {
        return None;
    }
    let (mut lowest, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes were initialised by the call before, which succeeded; both places are ours.
    let error =
        unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut size) };
    // SAFETY: they were initialised, and are not used after this.
    let _never_fails = unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    let lowest = lowest.addr();
    let end = lowest.checked_add(size)?;
    (error == 0 && size > 0).then_some(lowest..end)
}

#[cfg(test)]
mod tests {
    use super::bounds;

    #[test]
    fn a_local_lies_within() {
        let size = 256 * 1024;
        let thread = std::thread::Builder::new().stack_size(size);
        let found = thread.spawn(|| {
            let local = 0_u8;
            (bounds().unwrap(), (&raw const local).addr())
        });
        let (stack, local) = found.unwrap().join().unwrap();
        assert!(stack.contains(&local), "{stack:?} {local}");
        // The C library may add to it what its own thread-locals take.
        assert!((size / 2..=size * 4).contains(&stack.len()), "{stack:?}");
    }
}
