//! A service whose methods are futures on one thread.

use std::collections::HashSet;
use std::future::pending;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use doors::{Answer, Call, door};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Barrier;
use tokio::task::{AbortHandle, yield_now};

/// The service's own error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Odd;

/// How many callers meet.
pub(crate) const MANY: usize = 32;

/// What has become of the futures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Those that are there.
    pub(crate) live: usize,
    /// Those that were polled.
    pub(crate) begun: usize,
    /// Those that did not come to their end.
    pub(crate) dropped: usize,
}

/// Each future counts.
#[door]
pub(crate) trait Errands {
    /// Waits until there are `MANY`; says by how many threads they are served.
    fn meet(&self, call: &Call<'_>) -> Answer<usize>;
    /// Never answers.
    fn stay(&self, call: &Call<'_>) -> Answer<()>;
    /// Answers after so many turns.
    fn turn(&self, turns: u32, call: &Call<'_>) -> Answer<u32>;
    fn halve(&self, number: u32, call: &Call<'_>) -> Answer<Result<u32, Odd>>;
    fn panic(&self, call: &Call<'_>) -> Answer<()>;
    /// As `stay`; the method returns when the future was polled and the caller has gone.
    fn linger(&self, call: &Call<'_>) -> Answer<()>;
    /// As `stay`; the method returns when the future was polled.
    fn poll_first(&self, call: &Call<'_>) -> Answer<()>;
    /// As `poll_first`; the method answers itself after all.
    fn change_mind(&self, call: &Call<'_>) -> Answer<u32>;

    /// Aborts all that have stayed.
    fn abort(&self);
    /// Until `unblock` nothing is polled.
    fn block(&self);
    fn unblock(&self);
    fn tally(&self) -> Tally;
}

/// Counts its future in and out.
struct Count {
    tally: Arc<Mutex<Tally>>,
    is_over: bool,
}

impl Count {
    fn begin(&self) {
        self.tally.lock().unwrap().begun += 1;
    }

    fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        let mut tally = self.tally.lock().unwrap();
        tally.live -= 1;
        tally.dropped += usize::from(!self.is_over);
    }
}

pub(crate) struct Office {
    runtime: Handle,
    tally: Arc<Mutex<Tally>>,
    threads: Arc<Mutex<HashSet<ThreadId>>>,
    together: Arc<Barrier>,
    stays: Mutex<Vec<AbortHandle>>,
    blocked: Mutex<Option<Sender<()>>>,
}

impl Office {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            tally: Arc::default(),
            threads: Arc::default(),
            together: Arc::new(Barrier::new(MANY)),
            stays: Mutex::default(),
            blocked: Mutex::default(),
        }
    }

    fn count(&self) -> Count {
        self.tally.lock().unwrap().live += 1;
        Count {
            tally: Arc::clone(&self.tally),
            is_over: false,
        }
    }

    /// Begins a future that never ends, which tells when it is polled.
    fn stay_with<T: Send + 'static>(&self, call: &Call<'_>) -> (Answer<T>, Receiver<()>) {
        let (promise, answer) = call.hold();
        let (tell, told) = channel();
        let count = self.count();
        let stay = self.runtime.spawn(promise.keep_with(async move {
            count.begin();
            let _told = tell.send(());
            pending().await
        }));
        self.stays.lock().unwrap().push(stay.abort_handle());
        (answer, told)
    }
}

impl Errands for Office {
    fn meet(&self, call: &Call<'_>) -> Answer<usize> {
        let (promise, answer) = call.hold();
        let count = self.count();
        let (together, threads) = (Arc::clone(&self.together), Arc::clone(&self.threads));
        self.runtime.spawn(promise.keep_with(async move {
            count.begin();
            let note = || threads.lock().unwrap().insert(std::thread::current().id());
            note();
            together.wait().await;
            note();
            count.end();
            threads.lock().unwrap().len()
        }));
        answer
    }

    fn stay(&self, call: &Call<'_>) -> Answer<()> {
        self.stay_with(call).0
    }

    fn turn(&self, turns: u32, call: &Call<'_>) -> Answer<u32> {
        let (promise, answer) = call.hold();
        let count = self.count();
        self.runtime.spawn(promise.keep_with(async move {
            count.begin();
            for _ in 0..turns {
                yield_now().await;
            }
            count.end();
            turns
        }));
        answer
    }

    fn halve(&self, number: u32, call: &Call<'_>) -> Answer<Result<u32, Odd>> {
        let (promise, answer) = call.hold();
        self.runtime.spawn(promise.keep_with(async move {
            yield_now().await;
            if number.is_multiple_of(2) {
                Ok(number / 2)
            } else {
                Err(Odd)
            }
        }));
        answer
    }

    fn panic(&self, call: &Call<'_>) -> Answer<()> {
        let (promise, answer) = call.hold();
        let count = self.count();
        self.runtime.spawn(promise.keep_with(async move {
            count.begin();
            yield_now().await;
            panic!("in a future");
        }));
        answer
    }

    fn linger(&self, call: &Call<'_>) -> Answer<()> {
        let (answer, polled) = self.stay_with(call);
        polled.recv().unwrap();
        while !call.is_cancelled() {
            std::thread::yield_now();
        }
        answer
    }

    fn poll_first(&self, call: &Call<'_>) -> Answer<()> {
        let (answer, polled) = self.stay_with(call);
        polled.recv().unwrap();
        answer
    }

    fn change_mind(&self, call: &Call<'_>) -> Answer<u32> {
        let (_answer, polled) = self.stay_with::<u32>(call);
        polled.recv().unwrap();
        7.into()
    }

    fn abort(&self) {
        for stay in self.stays.lock().unwrap().drain(..) {
            stay.abort();
        }
    }

    fn block(&self) {
        let (free, freed) = channel::<()>();
        let (tell, told) = channel();
        *self.blocked.lock().unwrap() = Some(free);
        self.runtime.spawn(async move {
            tell.send(()).unwrap();
            let _ended = freed.recv();
        });
        told.recv().unwrap();
    }

    fn unblock(&self) {
        *self.blocked.lock().unwrap() = None;
    }

    fn tally(&self) -> Tally {
        *self.tally.lock().unwrap()
    }
}
