//! Servers that are futures.

use std::sync::mpsc::{Sender, channel};
use std::thread;

use doors_bench::{Job, Kind, Pace, Result, Service};
use tokio::runtime::Builder;

/// Bytes and structures, by any number of clients; messages up to 16 MiB, which all of these peers can carry.
pub(crate) fn does(job: &Job) -> bool {
    let content = matches!(job.kind, Kind::Echo | Kind::Struct | Kind::Hang);
    content
        && job.size <= 16 << 20
        && matches!(job.pace, Pace::Closed | Pace::Gap { .. } | Pace::Connect)
}

/// What a procedure does first with the bytes of a call.
pub(crate) fn hang(data: &[u8]) {
    if let Err(error) = doors_bench::hang(data) {
        eprintln!("{error}");
    }
}

/// Serves on threads of its own: one for a single client, as many as there are processors for more. The future says
/// when clients can come.
pub(crate) fn serve<F>(job: &Job, future: impl FnOnce(Job, Sender<()>) -> F) -> Result<Service>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (ready, is_ready) = channel();
    let future = future(job.clone(), ready);
    let mut builder = if job.lines > 1 {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    let runtime = builder.enable_all().build()?;
    thread::spawn(move || {
        // It never ends otherwise, and this process says so in its own line.
        if let Err(error) = runtime.block_on(future) {
            eprintln!("{error}");
        }
    });
    is_ready.recv()?;
    Ok(Box::new(()))
}
