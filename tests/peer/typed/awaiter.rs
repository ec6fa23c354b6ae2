//! A client whose calls are awaited, and which forks or is killed meanwhile.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use doors::ProcedureError;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Uid, setuid};
use tokio::runtime::{Builder, Runtime};

use super::library::{CounterAsyncClient, CounterClient, LibraryAsyncClient, file_with};
use super::waiting_room::{WaitingRoomAsyncClient, WaitingRoomClient};
use crate::life::said_by_child;

type Met = Result<u32, ProcedureError>;
type Call = Pin<Box<dyn Future<Output = Met>>>;

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn poll(call: &mut Call) -> Poll<Met> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// A client of the room at a path.
fn room(path: &Path) -> WaitingRoomAsyncClient {
    WaitingRoomClient::open(path).unwrap().into()
}

/// `typed-awaiter STUCK ROOM`: of a room that never answers and one that does at once, until the input ends. `begin NUMBER` begins calls of the
/// first, with `timed` such that end in an hour, `fork` has a child look at these, and call both rooms, `drop` gives them up. `reach` calls the second
/// without awaiting it, `nproc NUMBER` sets the limit, as the user whose number follows the paths, `ask` begins a call of the second room, whose
/// answer `hear` awaits.
pub(super) fn run(stuck: &Path, answers: &Path, uid: Option<&str>) {
    if let Some(uid) = uid {
        setuid(Uid::from_raw(uid.parse().unwrap())).unwrap();
    }
    let reached = WaitingRoomClient::open(answers).unwrap();
    let (stuck, answers) = (room(stuck), room(answers));
    let mut calls: Vec<Call> = Vec::new();
    let mut asked: Option<Call> = None;
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["begin", number, ref timed @ ..] => {
                for _ in 0..number.parse().unwrap() {
                    let mut client = stuck.clone();
                    if !timed.is_empty() {
                        let soon = Instant::now().checked_add(Duration::from_hours(1));
                        client = client.until(soon.unwrap());
                    }
                    let mut call: Call = Box::pin(async move { client.meet().await });
                    assert!(poll(&mut call).is_pending());
                    calls.push(call);
                }
                println!("begun");
            }
            ["fork"] => {
                let said = said_by_child(|| {
                    // Some are only dropped.
                    let mut kept = calls.split_off(calls.len() / 2);
                    drop(std::mem::take(&mut calls));
                    let ended: Vec<_> = kept.iter_mut().map(poll).collect();
                    let first = ended.first().map(|ended| match ended {
                        Poll::Pending => "pending".to_owned(),
                        Poll::Ready(Ok(met)) => format!("met {met}"),
                        Poll::Ready(Err(error)) => format!("{:?}", error.call_state()),
                    });
                    let alike = ended.iter().all(Poll::is_ready);
                    drop(kept);
                    let met = runtime().block_on(answers.meet()).unwrap();
                    format!("{} {alike}, met {met}", first.unwrap_or_default())
                });
                let met = runtime().block_on(answers.meet()).unwrap();
                println!("{said}; met {met}");
            }
            ["reach"] => {
                // The first call needs no session yet.
                for _ in 0..2 {
                    println!("met {}", reached.meet().unwrap());
                }
            }
            ["nproc", limit] => {
                setrlimit(Resource::RLIMIT_NPROC, limit.parse().unwrap(), 4096).unwrap();
                println!("limited");
            }
            ["ask"] => {
                let client = answers.clone();
                let mut call: Call = Box::pin(async move { client.meet().await });
                match poll(&mut call) {
                    Poll::Pending => println!("begun"),
                    Poll::Ready(outcome) => println!("{:?}", outcome.map_err(|e| e.to_string())),
                }
                asked = Some(call);
            }
            ["hear"] => {
                let met = runtime().block_on(asked.take().unwrap()).unwrap();
                println!("met {met}");
            }
            ["drop"] => {
                // The last first: none that waits gets the thread of another.
                while calls.pop().is_some() {}
                println!("dropped");
            }
            _ => panic!("what is {line}?"),
        }
    }
}

/// `typed-victim PATH NUMBER`: has so many awaited calls of a library on their way all the time, until it is killed.
pub(super) fn call_until_killed(path: &Path, number: usize) {
    runtime().block_on(async {
        let library = LibraryAsyncClient::open(path).await.unwrap();
        let callers: Vec<_> = (0..number)
            .map(|caller| {
                let library = library.clone();
                tokio::spawn(async move {
                    while turn(&library).await == Some(5) {
                        if caller == 0 {
                            println!("turn");
                        }
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
    });
}

/// A call with descriptors, one that brings some, and one of an object.
async fn turn(library: &LibraryAsyncClient) -> Option<u64> {
    let file = library.write("one").await.ok()?;
    let read = library.read(file, Some(file_with("two")), vec![]);
    assert_eq!(read.await.unwrap(), ["one", "two"]);
    let counter: CounterClient = library.count(5).await.ok()?;
    let counter = CounterAsyncClient::from(counter);
    counter.next().await.ok()
}
