//! What one process has as a client, made at its first session.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;

use super::gate::Gate;
use super::hold::Hold;
use super::session::Session;
use super::watcher::Watcher;
use crate::lock::lock;
use crate::primitive::Ordering;
use crate::sys::process::ProcessId;
use crate::sys::{self, fork};

/// How many sessions without doors are kept.
const RESTING_SESSIONS: usize = 8;
/// How many makers of tokens are remembered before those are forgotten that nobody answers for any more.
const REMEMBERED_MAKERS: usize = 64;

/// The client's side of a process.
#[derive(Debug)]
pub(crate) struct ClientProcess {
    pub(crate) life: u64,
    pub(crate) watcher: Arc<Watcher>,
    sessions: Mutex<HashMap<ProcessId, Arc<Session>>>,
    answering: Mutex<Answering>,
    /// Sessions that no door uses, oldest first.
    resting: Mutex<VecDeque<Arc<Session>>>,
    /// One at a time opens a session with a server, so that many threads end up with one.
    gates: Mutex<HashMap<ProcessId, Arc<Gate>>>,
    /// The watcher runs.
    watched: Mutex<bool>,
}

/// Which servers answer on tokens. Hints only: a pid may be another's by now, and one process may have made the sockets
/// of many servers.
#[derive(Debug, Default)]
struct Answering {
    /// Who has answered last on a token whose other end was made by the process with this pid. Mostly that process; but
    /// listeners may be inherited, and servers succeeded.
    by_maker: HashMap<i32, ProcessId>,
    /// Whose session is the youngest.
    newest: Option<ProcessId>,
}

static CURRENT: ArcSwapOption<ClientProcess> = ArcSwapOption::const_empty();

impl ClientProcess {
    /// The client's side of this process; a forked child gets its own, never its parent's.
    pub(crate) fn current() -> sys::Result<Arc<Self>> {
        let life = fork::life();
        let seen = CURRENT.load_full();
        if let Some(process) = &seen
            && process.life == life
        {
            process.watch()?;
            return Ok(Arc::clone(process));
        }
        let fresh = Arc::new(Self::new(life)?);
        let before = CURRENT.compare_and_swap(&seen, Some(Arc::clone(&fresh)));
        let won = before.as_ref().map(Arc::as_ptr) == seen.as_ref().map(Arc::as_ptr);
        drop(before);
        if !won {
            return Self::current();
        }
        if let Some(inherited) = seen {
            keep_inherited(inherited);
        }
        fresh.watch()?;
        Ok(fresh)
    }

    fn new(life: u64) -> sys::Result<Self> {
        Ok(Self {
            life,
            watcher: Watcher::new()?,
            sessions: Mutex::new(HashMap::new()),
            answering: Mutex::new(Answering::default()),
            resting: Mutex::new(VecDeque::new()),
            gates: Mutex::new(HashMap::new()),
            watched: Mutex::new(false),
        })
    }

    /// Starts the watcher, unless it runs. Lack of threads may be over when it is tried again: until then there is no
    /// session, whose server could die unnoticed.
    fn watch(&self) -> sys::Result<()> {
        let mut watched = lock(&self.watched);
        if !*watched {
            Watcher::start(&self.watcher)?;
            *watched = true;
        }
        Ok(())
    }

    /// The living session with a server process, held.
    pub(crate) fn session(&self, server: ProcessId) -> Option<Hold> {
        let mut sessions = lock(&self.sessions);
        let found = sessions.get(&server)?;
        if found.is_dead() {
            let dead = sessions.remove(&server);
            drop((sessions, dead));
            return None;
        }
        Some(Hold::new(found))
    }

    /// The living session with whoever is likely to answer on a token that was made by the process with this pid, which
    /// may live or not.
    pub(crate) fn likely_session(&self, maker: i32, lives: bool) -> Option<Hold> {
        let answering = lock(&self.answering);
        let (known, newest) = (answering.by_maker.get(&maker).copied(), answering.newest);
        drop(answering);
        let session = known.and_then(|server| self.session(server));
        // Without a session with whoever answered last, or with one that made the token and is dead, somebody has
        // succeeded it, and other doors may have led there already.
        let succeeded = known.is_some() || !lives;
        let newest = newest.filter(|_| succeeded);
        session.or_else(|| newest.and_then(|server| self.session(server)))
    }

    /// This server was found to serve a token that was made by the process with this pid.
    pub(crate) fn answers(&self, maker: i32, server: ProcessId) {
        lock(&self.answering).by_maker.insert(maker, server);
    }

    /// Enters a session. One with the same server, which another thread has opened through a token of another maker, is
    /// not found any more, and ends with its last door.
    pub(crate) fn enter(&self, session: &Arc<Session>) {
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, other| !other.is_dead());
        let before = sessions.insert(session.server.id(), Arc::clone(session));
        if let Some(before) = &before {
            before.replaced.store(true, Ordering::Relaxed);
            end_replaced(before);
        }
        let mut answering = lock(&self.answering);
        if answering.by_maker.len() >= REMEMBERED_MAKERS {
            let by_maker = &mut answering.by_maker;
            by_maker.retain(|_, server| sessions.contains_key(server));
        }
        // Its own tokens, also if it was found by another's.
        let server = session.server.id();
        answering.by_maker.insert(session.server.pid(), server);
        answering.newest = Some(server);
        drop(answering);
        lock(&self.gates).retain(|_, gate| Arc::strong_count(gate) > 1);
    }

    /// The last door of a session was dropped. A program that opens one door after another of the same server shall
    /// not pay for a session each time; one that visits many servers shall not keep them all.
    pub(crate) fn rest(&self, session: &Arc<Session>) {
        // Under the table's lock either this sees that it was replaced, or whoever replaces it that no door uses it.
        let sessions = lock(&self.sessions);
        end_replaced(session);
        drop(sessions);
        let mut closing = Vec::new();
        let mut resting = lock(&self.resting);
        resting.retain(|other| !other.is_dead() && !Arc::ptr_eq(other, session));
        // Looked at under the lock under which `leave` comes, after the death.
        if !session.is_dead() {
            resting.push_back(Arc::clone(session));
        }
        while resting.len() > RESTING_SESSIONS {
            closing.extend(resting.pop_front());
        }
        drop(resting);
        for session in closing {
            let mut sessions = lock(&self.sessions);
            // Under the table's lock nobody finds it and begins to use it; who has found it holds it.
            if session.holds.load(Ordering::Acquire) == 0 {
                sessions.retain(|_, other| !Arc::ptr_eq(other, &session));
                session.die();
            }
        }
    }

    /// The server of a session is dead: what the session holds goes with the last door that uses it.
    pub(crate) fn leave(&self, session: &Arc<Session>) {
        let mut gone = Vec::new();
        let mut sessions = lock(&self.sessions);
        gone.extend(
            sessions
                .extract_if(|_, other| Arc::ptr_eq(other, session))
                .map(|(_, it)| it),
        );
        drop(sessions);
        let mut resting = lock(&self.resting);
        resting.retain(|other| !Arc::ptr_eq(other, session));
        drop(resting);
        drop(gone);
    }

    /// The client's side if this process has one.
    pub(crate) fn existing() -> Option<Arc<Self>> {
        CURRENT
            .load_full()
            .filter(|process| process.life == fork::life())
    }

    /// The gate of all tokens that were made by one process.
    pub(crate) fn gate(&self, maker: ProcessId) -> Arc<Gate> {
        Arc::clone(lock(&self.gates).entry(maker).or_default())
    }
}

/// A session that was replaced is over when no door uses it: nobody would find it where it rests. The watcher forgets it.
fn end_replaced(session: &Session) {
    if session.replaced.load(Ordering::Relaxed) && session.holds.load(Ordering::Acquire) == 0 {
        session.die();
    }
}

/// The parent's sessions live on in a forked child as memory only; see the server's runtime.
#[expect(
    clippy::mem_forget,
    reason = "the drop would run the parent's clean-up in the child"
)]
fn keep_inherited(inherited: Arc<ClientProcess>) {
    std::mem::forget(inherited);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ClientProcess, RESTING_SESSIONS};
    use crate::client::session::Session;
    use crate::sys::account::Account;
    use crate::sys::process::Process;
    use crate::sys::shared::Shared;
    use crate::sys::{fork, socket};

    fn session(id: u128) -> Arc<Session> {
        let (ours, _theirs) = socket::pair().unwrap();
        let server = Process::current().unwrap();
        let ours = Shared::new(ours, &Account::default());
        Session::new(id, fork::life(), server, Arc::new(ours))
    }

    #[test]
    fn a_session_that_was_replaced_ends_with_its_last_door() {
        let process = ClientProcess::new(fork::life()).unwrap();
        let rested = session(1);
        process.enter(&rested);
        process.rest(&rested);
        let used = session(2);
        process.enter(&used);
        assert!(rested.is_dead());
        let found = process.session(used.server.id()).unwrap();
        let newest = session(3);
        process.enter(&newest);
        assert!(!used.is_dead());
        drop(found);
        process.rest(&used);
        assert!(used.is_dead() && !newest.is_dead());
    }

    #[test]
    fn a_resting_session_that_was_just_found_is_not_closed() {
        let process = ClientProcess::new(fork::life()).unwrap();
        let unused = session(1);
        process.enter(&unused);
        process.rest(&unused);
        // Another thread is about to register a door in it.
        let found = process.session(unused.server.id()).unwrap();
        for id in 2..10 {
            process.rest(&session(id));
        }
        assert_eq!(process.resting.lock().unwrap().len(), RESTING_SESSIONS);
        assert!(!found.is_dead());
        // One that nobody has found is.
        drop(found);
        process.rest(&unused);
        for id in 10..20 {
            process.rest(&session(id));
        }
        assert!(unused.is_dead());
        assert!(process.session(unused.server.id()).is_none());
    }
}
