//! Starting threads of the library.

use std::io;
use std::thread::{self, JoinHandle};

use super::affinity;

/// Starts a thread. One that follows its caller's processor has a mask of its own choice at this moment, which a
/// thread inherits from its maker (`sched_setaffinity(2)`): the new one begins with the mask from before.
pub(crate) fn start<R: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> R + Send + 'static,
) -> io::Result<JoinHandle<R>> {
    let whole = affinity::narrowed_from();
    thread::Builder::new().name(name.into()).spawn(move || {
        if let Some(whole) = whole {
            // Refused only where the cpuset has none of them any more: the kernel has given a mask then.
            let _inherited = affinity::allow(&whole);
        }
        body()
    })
}

#[cfg(test)]
mod tests {
    use super::start;
    use crate::sys::affinity::{self, Cpus};

    #[test]
    fn a_narrow_thread_starts_wide_ones() {
        let wide = affinity::allowed().unwrap();
        let mut only = Cpus::new();
        let first = (0..Cpus::count()).find(|cpu| wide.is_set(*cpu).unwrap());
        only.set(first.unwrap()).unwrap();
        for again in [false, true] {
            if again {
                affinity::narrow_again(&only).unwrap();
            } else {
                affinity::narrow(&only, &wide).unwrap();
            }
            let seen = start("test", || affinity::allowed().unwrap());
            assert_eq!(seen.unwrap().join().unwrap(), wide);
            assert_eq!(affinity::allowed().unwrap(), only);
            affinity::widen(&wide).unwrap();
            assert_eq!(affinity::allowed().unwrap(), wide);
            assert_eq!(affinity::narrowed_from(), None);
        }
    }
}
