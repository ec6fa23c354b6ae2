//! A call that is queued for a thread that looks, while that thread takes a call of its own channel: somebody else is roused.
//!
//! What `pool/crowd.rs` says under "A call that waits while threads are idle". Two threads, complete.
//!
//! Seen to fail:
//! * without the fence of whoever queues: he counts on a thread that has not found the queue;
//! * without the fence of whoever takes: the same;
//! * when the thread looks at the queue before it says that it is not parked: the same;
//! * when he looks whether it is counted on before he looks whether it is parked: it parks once more, not to be counted on any more, and he has
//!   seen either half.

use std::rc::Rc;

use loom::sync::atomic::AtomicU32;
use loom::thread;

use super::explore;
use crate::primitive::{Ordering, Word, fence};

#[test]
fn a_call_that_is_queued_is_found_by_whoever_was_counted_on_or_he_is_not_counted_on() {
    explore(None, || {
        let queued = Rc::new(AtomicU32::new(0));
        let parked = Rc::new(AtomicU32::new(1));
        let staffing = Rc::new(AtomicU32::new(1));
        let taker = {
            let (queued, parked) = (Rc::clone(&queued), Rc::clone(&parked));
            let staffing = Rc::clone(&staffing);
            thread::spawn(move || {
                Word::store(&*parked, 0, Ordering::Release);
                fence(Ordering::SeqCst);
                let finds = Word::load(&*queued, Ordering::Relaxed) != 0;
                // The procedure has panicked.
                Word::store(&*staffing, 0, Ordering::Relaxed);
                Word::store(&*parked, 1, Ordering::Release);
                finds
            })
        };
        Word::store(&*queued, 1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let looks = |word: &AtomicU32, order| Word::load(word, order) != 0;
        let nobody_looks =
            !(looks(&parked, Ordering::Acquire) && looks(&staffing, Ordering::Relaxed));
        let finds = taker.join().unwrap();
        assert!(nobody_looks || finds);
    });
}
