//! What is owed to a call that was published before its registration died.
//!
//! A client may publish a call and then close the token by which it knows the door. The call came first, so it runs,
//! though nobody refers to the door any more when a server thread comes to it; *unreferenced* waits until it is over.
//!
//! | thread | stores | `SeqCst` fence | looks at |
//! |---|---|---|---|
//! | takes the call | active calls + 1, settled = its turn | in `take` | is the registration live |
//! | ends the registration | live = no | in `unregister` | turn and settled of each channel; active calls |
//!
//! One of the two sees the other. If the ending thread finds the turn settled, it sees the call among the active ones
//! as well, and the door is not weighed before that is over. If it does not, the taking thread finds the registration
//! dead. The ending thread then has left a [`Promise`] in the channel, which counts as an active call until the taker
//! has redeemed it. Who finds the registration dead takes the lock under which all promises of it are made, and only then
//! looks for the one to its turn: without one, the call was published after the end.
//!
//! A turn that is answered without having been taken is settled under the lock under which its promise is made.
//! Whatever else a client may do to its words (they say which call is promised), a promise is dropped at the latest when
//! its channel falls quiet without that call or its session ends. A client keeps a door no longer by it than by a token.

use super::duty::Active;
use super::session::Registration;
use crate::channel::ends::low;
use crate::primitive::{AtomicU32, Ordering};
use crate::sys::dense::Dense;

/// The last turn of a channel that was taken and counted as active, or was answered without that; its low half. For
/// this process only: the words of our own window are never loaded.
#[derive(Debug, Default)]
pub(crate) struct Settled(AtomicU32);

impl Settled {
    /// The call of this turn is counted as active, or is over. A `SeqCst` fence or the channel's lock follows.
    #[inline]
    pub(crate) fn settle(&self, turn: u64) {
        self.0.store(low(turn), Ordering::Release);
    }

    /// That turn. The client's word is to be looked at after it: then it is not older, and a promise to a turn that is
    /// long over, which nobody would redeem, is not made.
    pub(crate) fn last(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

/// That the call of one turn runs although its registration has died.
pub(crate) struct Promise {
    turn: u32,
    /// The registration that the call must name.
    pub(super) number: u64,
    /// For a call that did not count itself in time.
    kept: Option<(Dense<Registration>, Active)>,
}

impl Promise {
    /// To a call that counts as active already.
    pub(super) fn settled(turn: u32, dead: &Registration) -> Self {
        Self {
            turn,
            number: dead.number,
            kept: None,
        }
    }

    /// To a call that nobody has taken: it counts as active from here on.
    pub(super) fn counted(turn: u32, dead: &Dense<Registration>) -> Self {
        dead.core.begin();
        Self {
            turn,
            number: dead.number,
            kept: Some((Dense::clone(dead), Active::begun(&dead.core))),
        }
    }

    /// Whether it is made to the call of this turn.
    pub(super) fn is_for(&self, turn: u64) -> bool {
        self.turn == low(turn)
    }

    /// The registration, if the call has not been taken.
    pub(super) fn owed(&self) -> Option<Dense<Registration>> {
        self.kept
            .as_ref()
            .map(|(registration, _)| Dense::clone(registration))
    }

    /// The registration, if the call of this turn names it and has not been taken.
    pub(super) fn registration(&self, turn: u64, number: u64) -> Option<Dense<Registration>> {
        let calls = self.is_for(turn) && self.number == number;
        calls.then(|| self.owed()).flatten()
    }
}
