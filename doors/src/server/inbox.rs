//! What others put down for the leader.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use nix::errno::Errno;

use super::channel::Channel;
use super::core::lock;
use super::duty::QUIET_AFTER;
use super::elsewhere::Late;
use super::parked::Decided;
use super::runtime::Runtime;
use super::session::Session;
use super::token::Token;
use crate::pool::{Watch, Watched};
use crate::sys::clock::after;

/// What waits for the leader's next turn.
#[derive(Default)]
pub(crate) struct Inbox {
    /// Sessions that are over.
    graves: Mutex<Vec<u128>>,
    /// Connections that the leader does not know yet to be silent.
    newcomers: Mutex<Vec<(Arc<Token>, u32)>>,
    /// Sleeping threads that were called away, each with the number of its sleep.
    called: Mutex<Vec<(Arc<Channel>, u64)>>,
    /// Channels on which threads sleep.
    watched: Mutex<Watched>,
    /// Sessions with areas that rest.
    spare: Mutex<Spare>,
    /// Sessions whose quiet channels want another look.
    unseen: Mutex<Vec<Arc<Session>>>,
    /// Petitions about which predicates have been asked.
    decided: Mutex<Vec<Decided>>,
    /// Packets that a closer has received.
    late: Mutex<Vec<Late>>,
}

/// Sessions with channels that have lost their thread before they had rested, by id: when to ask for what areas they have.
#[derive(Default)]
struct Spare {
    sessions: HashMap<u128, (Arc<Session>, Instant)>,
    /// When to look at them.
    due: Option<Instant>,
}

impl Runtime {
    /// Wakes the leader.
    pub(crate) fn wake(&self) {
        // EAGAIN means that it is already signalled.
        let _signalled: Result<usize, Errno> = self.wakeup.write(1);
    }

    /// Has the leader end a session.
    pub(crate) fn bury(&self, session: u128) {
        lock(&self.inbox.graves).push(session);
        self.wake();
    }

    /// Has the leader repeat the wake of a thread until its sleep is over.
    pub(crate) fn remind(&self, channel: &Arc<Channel>, round: u64) {
        lock(&self.inbox.called).push((Arc::clone(channel), round));
        self.wake();
    }

    /// Has the leader end a sleep on this channel that lasts.
    #[cold]
    pub(crate) fn watch(&self, channel: &Arc<Channel>) {
        if lock(&self.inbox.watched).add(channel) {
            self.wake();
        }
    }

    /// Has the leader ask a session for its areas that rest, not before this time.
    #[cold]
    pub(super) fn ask_back_from(&self, session: &Arc<Session>, from: Instant) {
        let first = {
            let mut spare = lock(&self.inbox.spare);
            let sessions = &mut spare.sessions;
            sessions.insert(session.id, (Arc::clone(session), from));
            let first = spare.due.is_none();
            spare.due.get_or_insert(from);
            first
        };
        if first {
            self.wake();
        }
    }

    /// Has the leader look at the quiet channels of a session once more.
    pub(crate) fn look_again(&self, session: &Arc<Session>) {
        lock(&self.inbox.unseen).push(Arc::clone(session));
        self.wake();
    }

    /// Tells the leader of a connection that was taken, with its user.
    pub(super) fn has_come(&self, token: Arc<Token>, uid: u32) {
        lock(&self.inbox.newcomers).push((token, uid));
    }

    /// Gives the leader a packet that was received elsewhere.
    pub(super) fn arrived(&self, late: Late) {
        lock(&self.inbox.late).push(late);
        self.wake();
    }

    /// Tells the leader what has become of a petition.
    pub(super) fn decide(&self, decided: Decided) {
        lock(&self.inbox.decided).push(decided);
        self.wake();
    }
}

/// The leader's part.
impl Inbox {
    /// When to look at the threads that sleep.
    pub(super) fn watch_due(&self) -> Option<Instant> {
        lock(&self.watched).due()
    }

    /// Calls threads away that have slept for long, and repeats the wakes that are due; true if some sleep goes on.
    pub(super) fn repeat_wakes(&self) -> bool {
        let mut over = lock(&self.watched).look();
        let goes_on = {
            let mut called = lock(&self.called);
            called.extend(over.iter().filter_map(Watch::to_end));
            called.retain(|(channel, round)| channel.wakes_again(*round));
            !called.is_empty()
        };
        if over.capacity() > 0 {
            over.clear();
            lock(&self.watched).keep_room(over);
        }
        goes_on
    }

    /// When to ask for areas that rest.
    pub(super) fn spare_due(&self) -> Option<Instant> {
        lock(&self.spare).due
    }

    /// Sessions that are to be asked for their areas that rest.
    pub(super) fn spare(&self) -> Vec<Arc<Session>> {
        let mut spare = lock(&self.spare);
        let Some(due) = spare.due else {
            return Vec::new();
        };
        let now = Instant::now();
        if due > now {
            return Vec::new();
        }
        let rested = |_: &u128, (_, from): &mut (Arc<Session>, Instant)| *from <= now;
        let sessions = spare.sessions.extract_if(rested);
        let sessions = sessions.map(|(_, (session, _))| session).collect();
        let more = !spare.sessions.is_empty();
        spare.due = more.then(|| after(now, QUIET_AFTER));
        sessions
    }

    pub(super) fn unseen(&self) -> Vec<Arc<Session>> {
        std::mem::take(&mut *lock(&self.unseen))
    }

    pub(super) fn newcomers(&self) -> Vec<(Arc<Token>, u32)> {
        std::mem::take(&mut *lock(&self.newcomers))
    }

    pub(super) fn graves(&self) -> Vec<u128> {
        std::mem::take(&mut *lock(&self.graves))
    }

    pub(super) fn late(&self) -> Vec<Late> {
        std::mem::take(&mut *lock(&self.late))
    }

    pub(super) fn decided(&self) -> Vec<Decided> {
        std::mem::take(&mut *lock(&self.decided))
    }
}
