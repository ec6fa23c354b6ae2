//! A client whose calls are awaited, and which forks or is killed meanwhile.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use doors::ProcedureError;
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
/// first, `fork` has a child look at these, and call both rooms, `drop` gives them up.
pub(super) fn run(stuck: &Path, answers: &Path) {
    let (stuck, answers) = (room(stuck), room(answers));
    let mut calls: Vec<Call> = Vec::new();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["begin", number] => {
                for _ in 0..number.parse().unwrap() {
                    let client = stuck.clone();
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
