//! A server whose methods are futures: one thread serves all who wait, and what nobody waits for any more is dropped.
//!
//! `cargo run --bin async_server`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::future::pending;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use doors::{Answer, Call, door};
use tokio::runtime::{Builder, Handle};
use tokio::time::{sleep, timeout};

#[door]
trait Alarms {
    /// Rings after some time.
    fn ring(&self, millis: u64, call: &Call<'_>) -> Answer<String>;

    /// How many are set.
    fn set(&self) -> usize;
}

struct Server {
    runtime: Handle,
    /// Each alarm that is set has a reference.
    set: Arc<()>,
}

impl Alarms for Server {
    fn ring(&self, millis: u64, call: &Call<'_>) -> Answer<String> {
        let (promise, answer) = call.hold();
        let set = Arc::clone(&self.set);
        self.runtime.spawn(promise.keep_with(async move {
            sleep(Duration::from_millis(millis)).await;
            drop(set);
            format!("after {millis} ms")
        }));
        answer
    }

    fn set(&self) -> usize {
        Arc::strong_count(&self.set).saturating_sub(1)
    }
}

/// Awaits its calls, too; the server would be the same for one that blocks.
async fn client(alarms: AlarmsAsyncClient) -> Result<(), Box<dyn Error>> {
    let calls = [50, 40, 30, 20, 10].map(|millis| {
        let alarms = alarms.clone();
        tokio::spawn(async move { alarms.ring(millis).await })
    });
    for call in calls {
        println!("it rings {}", call.await??);
    }
    let hour = alarms.ring(3_600_000);
    if timeout(Duration::from_millis(50), hour).await.is_err() {
        println!("nobody waits for an hour");
    }
    // The server hears of that a little later.
    while alarms.set().await? > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    println!("no alarm is set");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    if let Some(path) = std::env::args_os().nth(1) {
        return runtime.block_on(async { client(AlarmsAsyncClient::open(path).await?).await });
    }
    let server = Server {
        runtime: runtime.handle().clone(),
        set: Arc::new(()),
    };
    thread::spawn(move || runtime.block_on(pending::<()>()));
    let path = std::env::temp_dir().join(format!("async_server-{}", std::process::id()));
    let _name = AlarmsDoor::serve(server)?.attach(&path, 0o600)?;
    let client = Command::new(std::env::current_exe()?).arg(path).status()?;
    client
        .success()
        .then_some(())
        .ok_or("the client failed".into())
}
