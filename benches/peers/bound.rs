//! Clients that stay on the thread that made them, behind the callers of the suite, which are made on one thread and
//! used on another.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;

use doors_bench::{Caller, Job, Result, Sample, Scratch};
use tokio::runtime::{Builder, Runtime};

/// A connected client of one thread.
pub(crate) trait Client {
    /// Bytes, which come back.
    fn echo(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()>;

    /// Bytes, which come back, and descriptors.
    fn give(&mut self, _: &[u8], _: &[OwnedFd], _: &mut Vec<u8>) -> Result<()> {
        Err("descriptors do not travel this way".into())
    }

    /// A structure, which comes back.
    fn sample(&mut self, sample: &Sample) -> Result<Sample>;

    /// No call comes for a while: nobody should be busy waiting for one.
    fn rest(&mut self) -> Result<()> {
        Ok(())
    }
}

type Connect = fn(&Job) -> Result<Box<dyn Client>>;

thread_local! {
    /// Dropped with its line or never: a thread that ends has no runtime any more that a client could end with.
    static CLIENT: RefCell<Option<ManuallyDrop<Box<dyn Client>>>> = const { RefCell::new(None) };
    /// Never dropped: it would wake what such a client waits for.
    static RUNTIME: ManuallyDrop<Runtime> = ManuallyDrop::new(runtime());
}

/// One thread, which is the one that blocks on it: what makes a single call fastest.
#[expect(
    clippy::expect_used,
    reason = "a thread local cannot fail otherwise; a measurement that cannot run ends"
)]
fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().expect("an epoll descriptor")
}

/// Runs a future of this thread's client.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// A caller whose client connects at the first call of a thread.
pub(crate) fn callers(job: &Job, connect: Connect) -> Vec<Box<dyn Caller>> {
    let one = |_| -> Box<dyn Caller> {
        let job = job.clone();
        Box::new(Line { job, connect })
    };
    (0..job.lines).map(one).collect()
}

#[derive(Debug)]
struct Line {
    job: Job,
    connect: Connect,
}

impl Line {
    fn with<T>(&self, call: impl FnOnce(&mut dyn Client) -> Result<T>) -> Result<T> {
        CLIENT.with_borrow_mut(|client| {
            let client = match client {
                Some(client) => client,
                None => client.insert(ManuallyDrop::new((self.connect)(&self.job)?)),
            };
            call(&mut ***client)
        })
    }
}

impl Caller for Line {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        self.with(|client| client.echo(data, results))
    }

    fn call_with(&mut self, data: &[u8], given: &[OwnedFd], results: &mut Vec<u8>) -> Result<()> {
        self.with(|client| client.give(data, given, results))
    }

    fn call_struct(&mut self, sample: &Sample, _: &mut Scratch) -> Result<Sample> {
        self.with(|client| client.sample(sample))
    }

    fn rest(&mut self) -> Result<()> {
        self.with(|client| client.rest())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The connection ends with its client.
        if let Ok(Some(client)) = CLIENT.try_with(RefCell::take) {
            drop(ManuallyDrop::into_inner(client));
        }
    }
}
