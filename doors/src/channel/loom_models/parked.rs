//! The last two parked threads of a pool that take a call at the same time: one of them finds the pool depleted.
//!
//! What `pool/mod.rs` says under "Ordering": one thread waits on a channel, the other is in the list of idle threads, out of
//! which somebody takes it for a call. Three threads, complete.
//!
//! Seen to fail:
//! * without the fence: neither finds it;
//! * when the length of the list is stored after the job is handed over: the thread that was idle still counts itself in.

use std::rc::Rc;

use loom::sync::Mutex;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use super::explore;
use crate::primitive::{Ordering, Word, fence};

struct Pool {
    /// Length of the list of idle threads.
    idle: AtomicU32,
    waits: AtomicU32,
    idles: AtomicU32,
    job: Mutex<bool>,
}

impl Pool {
    /// The thread that says so of itself in `own` takes a call. True: nobody is parked any more.
    fn take(&self, own: &AtomicU32) -> bool {
        Word::store(own, 0, Ordering::Release);
        fence(Ordering::SeqCst);
        let parked = |word: &AtomicU32| Word::load(word, Ordering::Acquire) != 0;
        Word::load(&self.idle, Ordering::Relaxed) == 0
            && !parked(&self.waits)
            && !parked(&self.idles)
    }
}

#[test]
fn of_the_last_two_that_take_a_call_one_finds_the_pool_depleted() {
    explore(None, || {
        let pool = Rc::new(Pool {
            idle: AtomicU32::new(1),
            waits: AtomicU32::new(1),
            idles: AtomicU32::new(1),
            job: Mutex::new(false),
        });
        let at_channel = {
            let pool = Rc::clone(&pool);
            thread::spawn(move || pool.take(&pool.waits))
        };
        let dispatcher = {
            let pool = Rc::clone(&pool);
            thread::spawn(move || {
                Word::store(&pool.idle, 0, Ordering::Relaxed);
                *pool.job.lock().unwrap() = true;
            })
        };
        // The thread that was idle finds its job now, or when whoever brings it has gone.
        let come = *pool.job.lock().unwrap();
        let early = come.then(|| pool.take(&pool.idles));
        dispatcher.join().unwrap();
        let idle = early.unwrap_or_else(|| {
            assert!(*pool.job.lock().unwrap());
            pool.take(&pool.idles)
        });
        assert!(at_channel.join().unwrap() || idle);
    });
}
