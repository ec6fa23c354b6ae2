//! Promises that futures keep.
//!
//! The future ends with its caller: cancellation runs a callback on a thread of the library, which wakes the task, and the task
//! drops the future. Nothing is lost between the two, because both go through the lock of [`Watch`]: the task puts its waker there
//! before it polls the future, in the critical section that finds the caller still there; the callback notes that it has gone, and
//! takes the waker, in another. Whichever section is first, the other sees what it did: the task that the caller has gone, or
//! the callback the waker of the last poll. A task that is woken while it runs is polled once more, as the contract of [`Waker`] says.
//!
//! That the callback runs, also of a call that was cancelled before it was set, is the promise of whoever takes it:
//! [`Invocation::on_cancel`](crate::Invocation::on_cancel), [`Held::on_cancel`](crate::Held::on_cancel).

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::answer::Promise;
use crate::lock::lock;

/// Whom to wake when nobody waits for the answer any more.
#[derive(Default)]
pub(super) struct Watch(Mutex<State>);

#[derive(Default)]
struct State {
    gone: bool,
    waker: Option<Waker>,
}

impl Watch {
    /// Nobody waits any more.
    pub(super) fn end(&self) {
        let waker = {
            let mut state = lock(&self.0);
            state.gone = true;
            state.waker.take()
        };
        // Foreign: outside of the lock.
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether nobody waits any more; this waker is woken then, if it comes later.
    fn has_ended(&self, task: &Waker) -> bool {
        // To copy a waker, and to drop one, is foreign code: outside of the lock.
        let mut copy = None;
        loop {
            let mut state = lock(&self.0);
            let wakes = |last: &Waker| last.will_wake(task);
            if state.gone || state.waker.as_ref().is_some_and(wakes) {
                return state.gone;
            }
            if let Some(copy) = copy.take() {
                let before = state.waker.replace(copy);
                drop(state);
                drop(before);
                return false;
            }
            drop(state);
            copy = Some(task.clone());
        }
    }
}

impl<T> Promise<T> {
    /// Has a future keep the promise: whoever runs what this gives back, a task of any runtime as a rule, answers the call with the
    /// future's value.
    ///
    /// The future is dropped as soon as nobody waits for its value any more ([`is_cancelled`](Self::is_cancelled) tells of what): its task
    /// is woken for that, and what has not begun is not even polled. So there is nothing to ask for in it, and its destructors are where to
    /// notice; a callback of [`Call::on_cancel`](super::Call::on_cancel) is replaced. For a door with
    /// [`DoorAttributes::NO_CANCEL`](crate::DoorAttributes::NO_CANCEL) it goes on to its end.
    ///
    /// If it panics, if its task is aborted, or if the runtime ends or has ended, the promise is dropped with it, and the caller gets
    /// [`CallCondition::Unanswered`](crate::CallCondition::Unanswered).
    ///
    /// # Examples
    /// ```
    /// use std::future::pending;
    /// use std::thread;
    ///
    /// use doors::{Answer, Call, door};
    /// use tokio::runtime::{Builder, Handle};
    ///
    /// #[door]
    /// trait Pages {
    ///     fn fetch(&self, name: String, call: &Call) -> Answer<String>;
    /// }
    ///
    /// struct Server {
    ///     runtime: Handle,
    /// }
    ///
    /// impl Pages for Server {
    ///     fn fetch(&self, name: String, call: &Call) -> Answer<String> {
    ///         let (promise, answer) = call.hold();
    ///         self.runtime.spawn(promise.keep_with(async move {
    ///             tokio::task::yield_now().await; // What takes its time.
    ///             format!("the page {name}")
    ///         }));
    ///         answer
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let runtime = Builder::new_current_thread().build()?;
    /// let server = Server {
    ///     runtime: runtime.handle().clone(),
    /// };
    /// thread::spawn(move || runtime.block_on(pending::<()>()));
    /// let pages = PagesClient::from(PagesDoor::serve(server)?);
    /// assert_eq!(pages.fetch("one".to_owned())?, "the page one");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn keep_with(self, future: impl Future<Output = T>) {
        let watch = Arc::new(Watch::default());
        let mut is_watched = false;
        let value = {
            let mut future = pin!(future);
            poll_fn(|context| {
                if !is_watched {
                    is_watched = true;
                    self.watch(&watch);
                }
                if watch.has_ended(context.waker()) {
                    return Poll::Ready(None);
                }
                future.as_mut().poll(context).map(Some)
            })
            .await
            // The future is dropped here, before its caller hears anything.
        };
        if let Some(value) = value {
            self.door_return(value);
        }
    }
}
