//! Calls from async code: several are on their way at once on one thread, and what is dropped is given up.
//!
//! `cargo run --bin async_client`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::process::Command;
use std::sync::Barrier;
use std::time::Duration;

use doors::door;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// The server knows nothing of async: its methods run on threads, as ever.
#[door]
trait Oven {
    /// Waits until three are in the oven.
    fn bake(&self, dish: &str) -> String;

    /// As bake, of what never gets done.
    fn bake_for_ever(&self, dish: &str);

    fn warm(&self, dish: &str) -> String;
}

struct Server {
    full: Barrier,
}

impl Oven for Server {
    fn bake(&self, dish: &str) -> String {
        self.full.wait();
        dish.to_owned()
    }

    fn bake_for_ever(&self, _: &str) {
        loop {
            std::thread::park();
        }
    }

    fn warm(&self, dish: &str) -> String {
        dish.to_owned()
    }
}

async fn client(oven: OvenAsyncClient) -> Result<(), Box<dyn Error>> {
    let dishes = ["bread", "cake", "pie"].map(|dish| {
        let oven = oven.clone();
        tokio::spawn(async move { oven.bake(dish).await })
    });
    let mut done = Vec::new();
    for dish in dishes {
        done.push(dish.await??);
    }
    println!("three at once: {}", done.join(", "));

    // Dropped when the time is over, the call ends: the server is told, and its answer thrown away.
    match timeout(Duration::from_millis(50), oven.bake_for_ever("stone")).await {
        Ok(done) => done?,
        Err(_) => println!("not waited for: stone"),
    }
    println!("and another: {}", oven.warm("soup").await?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(path) = std::env::args_os().nth(1) {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        return runtime.block_on(async { client(OvenAsyncClient::open(path).await?).await });
    }
    let path = std::env::temp_dir().join(format!("async_client-{}", std::process::id()));
    let full = Barrier::new(3);
    let _name = OvenDoor::serve(Server { full })?.attach(&path, 0o600)?;
    let client = Command::new(std::env::current_exe()?).arg(path).status()?;
    client
        .success()
        .then_some(())
        .ok_or("the client failed".into())
}
