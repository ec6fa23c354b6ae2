//! Who goes on serving if a procedure takes long.
//!
//! A call runs on the thread that has read it. Meanwhile the server lies in the seat, and a second thread looks there every
//! millisecond, as long as there are calls: if it finds the same call twice, it serves instead.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::server::Server;

/// How long a call holds up others at most, and half of it at least.
const TICK: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub(super) struct Seat(Mutex<Left>);

#[derive(Debug, Default)]
struct Left {
    /// There while its thread runs a call.
    server: Option<Server>,
    /// Calls so far, and at the last look.
    calls: u64,
    seen: u64,
    /// The second thread looks by itself.
    watched: bool,
    stand_in: Option<Thread>,
}

impl Seat {
    fn left(&self) -> MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins.
    pub(super) fn put(&self, server: Server) {
        let mut left = self.left();
        left.server = Some(server);
        left.calls = left.calls.wrapping_add(1);
        if !left.watched {
            left.watched = true;
            if let Some(stand_in) = &left.stand_in {
                stand_in.unpark();
            }
        }
    }

    /// A call is over: the server, unless the other thread has it now.
    pub(super) fn take(&self) -> Option<Server> {
        self.left().server.take()
    }

    /// Waits until it is needed.
    pub(super) fn stand_by(&self) -> Server {
        loop {
            let watched = {
                let mut left = self.left();
                left.stand_in = Some(thread::current());
                if left.calls == left.seen {
                    if let Some(server) = left.server.take() {
                        return server;
                    }
                    left.watched = false;
                }
                left.seen = left.calls;
                left.watched
            };
            if watched {
                thread::park_timeout(TICK);
            } else {
                thread::park();
            }
        }
    }
}

/// Starts a thread that serves, or stands by.
pub(super) fn start(seat: &Arc<Seat>, server: Option<Server>) {
    let seat = Arc::clone(seat);
    thread::spawn(move || live(&seat, server));
}

/// The life of either thread: it serves until another had to. An error ends the listener, which clients notice.
fn live(seat: &Arc<Seat>, mut server: Option<Server>) {
    loop {
        let mut serving = server.take().unwrap_or_else(|| {
            let server = seat.stand_by();
            start(seat, None);
            server
        });
        server = match serving.turn() {
            Err(_) => return,
            Ok(None) => Some(serving),
            Ok(Some(mut call)) => {
                seat.put(serving);
                call.run();
                let mut back = seat.take();
                let answered = call.answer();
                // Another serves, and has started one that stands by.
                let Some(server) = &mut back else { return };
                if answered.is_ok() {
                    server.go_on(call);
                }
                back
            }
        };
    }
}
