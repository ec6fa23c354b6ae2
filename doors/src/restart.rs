//! Replacing a server by its successor without losing a call.
//!
//! The old process drains: calls that were taken finish, others are refused as not executed. Then it sends the successor
//! its listeners and the server's ends of all references, so that names, descriptors and unique ids stay what they
//! were. Sessions are not handed over: a client finds its session over and opens one with whoever now answers on its
//! reference, at its next call.
//!
//! | who | does | until then the doors are served by |
//! |---|---|---|
//! | old server | [`drain`], [`Drained::hand_over`]: sends everything | the old server, which refuses calls |
//! | successor | [`take_over`]: has received everything, and says so | |
//! | old server | says *yours* and lets go | nobody; what comes waits |
//! | successor | hears it; [`Heirloom::serve`] | the successor |
//!
//! Neither can be sure that the other still lives. The old server lets go only if its *yours* got into the socket of a
//! successor that had said it has everything; in every other case it serves on. A successor that has everything serves
//! when it has heard *yours*, or when the kernel says that the old server is dead. One that gives up waiting first lets
//! nothing more into its socket. So there are never two.

mod heirloom;
mod sender;
mod taker;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use heirloom::Heirloom;
pub use taker::take_over;

use crate::error::{DoorCondition, DoorError};
use crate::server::runtime::Runtime;

/// How long either side of a hand-over waits for a step of the other.
const WITHIN: Duration = if cfg!(test) {
    Duration::from_millis(100)
} else {
    Duration::from_secs(30)
};

/// A process whose doors take no new calls.
///
/// Dropped, it takes calls again.
#[derive(Debug)]
#[must_use = "dropping it takes calls again"]
pub struct Drained {
    runtime: Arc<Runtime>,
    unfinished: usize,
}

/// Refuses new calls on every door of this process from now on
/// ([`CallCondition::Draining`](crate::CallCondition::Draining), not executed) and waits until those that were taken
/// have finished and their results have gone.
///
/// # Blocking
/// At most until `until`. A server procedure that does not return, or a client that has stopped in the middle of results
/// that travel in parts, is waited for that long; see [`Drained::unfinished`]. A time that has passed waits for nobody.
/// Held calls count; called by a server procedure, it waits for that call too.
///
/// # Errors
/// [`DoorCondition::NoDoor`] if this process has no doors.
///
/// # Examples
/// The old process, with the successor at the other end of a socket pair:
/// ```no_run
/// # fn hand_over(successor: std::os::fd::OwnedFd) -> Result<(), doors::DoorError> {
/// use std::time::{Duration, Instant};
///
/// let drained = doors::drain(Instant::now() + Duration::from_secs(10))?;
/// if drained.unfinished() == 0 {
///     drained.hand_over(successor)?;
///     std::process::exit(0);
/// }
/// // Dropped: this process takes calls again.
/// # Ok(())
/// # }
/// ```
pub fn drain(until: Instant) -> Result<Drained, DoorError> {
    let runtime = Runtime::existing().ok_or(DoorCondition::NoDoor)?;
    runtime.set_draining(true);
    // Those that a thread finds are told by it. In a pool without one they would wait until this process ends.
    runtime.turn_away_waiting();
    let unfinished = runtime.wait_until_idle(until);
    Ok(Drained {
        runtime,
        unfinished,
    })
}

impl Drained {
    /// How many calls had not finished when the time was over. They go on. After a hand-over the callers of those that
    /// came through a session hear [`CallCondition::ServerDied`](crate::CallCondition::ServerDied) (taken) at once.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        self.runtime.set_draining(false);
    }
}
