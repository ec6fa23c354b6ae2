//! What one process has as a server, made at its first door.

use std::collections::HashMap;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::WatchDescriptor;

use super::core::{Core, lock};
use super::inbox::Inbox;
use super::keys::ByKey;
use super::names::Looker;
use super::quota::Quotas;
use super::session::Session;
use super::standstill::Standstill;
use super::starved::Starved;
use super::token::Token;
use crate::access::Access;
use crate::foreign;
use crate::name::Name;
use crate::pool::{PROCESS_POOL, Pool, PoolLimits};
use crate::primitive::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use crate::sys::account::Account;
use crate::sys::dense::Dense;
use crate::sys::{self, closer, fork, random};
use crate::unref;

/// What the leader watches.
#[derive(Clone)]
pub(crate) enum Source {
    /// Something was put down for the leader.
    Wakeup,
    /// Something happened to a name.
    Names,
    /// What falls due while the thread that led runs a call.
    Alarm,
    /// Connections through a name.
    Listener(Arc<Attached>),
    /// A reference.
    Token(Arc<Token>),
    /// The socket of a session.
    Session(Arc<Session>),
    /// The process of a session's client.
    Client(Arc<Session>),
}

/// A name under which a door can be opened.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) key: u64,
    pub(crate) core: Dense<Core>,
    pub(crate) listener: OwnedFd,
    /// The name; an inherited listener may have none that is ours to remove.
    pub(crate) name: Option<Name>,
    /// A successor serves the name now: it must not be removed.
    pub(crate) handed_over: AtomicBool,
    /// The listener and its name belong to whoever started this process.
    pub(crate) borrowed: bool,
    /// It has named the senders of packets since before anybody could connect.
    pub(crate) born_here: bool,
    /// Held while a connection is taken and counted.
    pub(crate) accepting: Mutex<()>,
    pub(crate) path: Option<PathBuf>,
    /// Who may call through it, besides what the door itself demands.
    pub(crate) access: Option<Arc<Access>>,
    /// The kernel's handle of the watch on its inode.
    pub(crate) watch: Option<WatchDescriptor>,
}

impl Drop for Attached {
    /// Neither the end of what its policy owns nor that of a listener in whose backlog somebody has connected and left
    /// descriptors is for the leader.
    fn drop(&mut self) {
        if let Some(access) = self.access.take() {
            foreign::release(access);
        }
        if foreign::is_kept_free() {
            let listener = self.listener.try_clone().into_iter().collect();
            closer::close(listener, &Account::default());
        }
    }
}

/// The server's side of a process.
pub(crate) struct Runtime {
    pub(crate) life: u64,
    pub(crate) epoll: Epoll,
    pub(crate) wakeup: EventFd,
    pub(crate) names: Option<nix::sys::inotify::Inotify>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) notices: unref::Queue,
    pub(crate) starved: Starved,
    next_door: AtomicU64,
    next_key: AtomicU64,
    pub(super) sources: Mutex<HashMap<u64, Source, ByKey>>,
    doors: Mutex<HashMap<u64, Dense<Core>>>,
    sessions: Mutex<HashMap<u128, Arc<Session>>>,
    /// What others have put down for the leader.
    pub(super) inbox: Inbox,
    pub(super) looker: Looker,
    draining: AtomicBool,
    /// Results that travel in parts and have not all gone.
    unsent: AtomicUsize,
    /// Holds up what makes, ends or hears references.
    pub(crate) standstill: Standstill,
    /// Signalled at the end of calls while draining.
    ended: (Mutex<()>, Condvar),
    staffed: AtomicBool,
    /// The leader runs.
    led: Mutex<bool>,
}

static CURRENT: ArcSwapOption<Runtime> = ArcSwapOption::const_empty();

impl Runtime {
    /// The runtime of this process; a forked child gets its own, never its parent's.
    pub(crate) fn current() -> sys::Result<Arc<Self>> {
        let life = fork::life();
        let seen = CURRENT.load_full();
        if let Some(runtime) = &seen
            && runtime.life == life
        {
            runtime.lead()?;
            return Ok(Arc::clone(runtime));
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
        fresh.lead()?;
        Ok(fresh)
    }

    /// Starts the leader, unless it runs. Lack of threads may be over when it is tried again: until then nobody gets
    /// a runtime without a leader.
    fn lead(self: &Arc<Self>) -> sys::Result<()> {
        let mut led = lock(&self.led);
        if !*led {
            super::leader::start(self)?;
            *led = true;
        }
        Ok(())
    }

    /// The runtime if this process has one.
    pub(crate) fn existing() -> Option<Arc<Self>> {
        CURRENT
            .load_full()
            .filter(|runtime| runtime.life == fork::life())
    }

    /// One that nobody leads yet.
    pub(super) fn new(life: u64) -> sys::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let wakeup = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let flags =
            nix::sys::inotify::InitFlags::IN_CLOEXEC | nix::sys::inotify::InitFlags::IN_NONBLOCK;
        // Few inotify instances are allowed per user (inotify(7)): without one, a removed name is noticed at the
        // next connection or never, and everything else works.
        let names = nix::sys::inotify::Inotify::init(flags).ok();
        // 43 random bits above a counter of 20: ids grow within a process and do not meet those of another.
        let base = (random::number()? >> 1) & !0xF_FFFF;
        let runtime = Self {
            life,
            epoll,
            wakeup,
            names,
            pool: Pool::new(PROCESS_POOL, PoolLimits::default(), None),
            quotas: Arc::new(Quotas::default()),
            notices: unref::Queue::default(),
            starved: Starved::default(),
            next_door: AtomicU64::new(base | 1),
            next_key: AtomicU64::new(2),
            sources: Mutex::default(),
            doors: Mutex::new(HashMap::new()),
            sessions: Mutex::new(HashMap::new()),
            inbox: Inbox::default(),
            looker: Looker::default(),
            draining: AtomicBool::new(false),
            unsent: AtomicUsize::new(0),
            standstill: Standstill::default(),
            ended: (Mutex::new(()), Condvar::new()),
            staffed: AtomicBool::new(false),
            led: Mutex::new(false),
        };
        runtime.watch_at(0, &runtime.wakeup, Source::Wakeup)?;
        if let Some(names) = &runtime.names {
            runtime.watch_at(1, names, Source::Names)?;
        }
        Ok(runtime)
    }

    /// A number for a new door, larger than all before it.
    pub(crate) fn next_door_id(&self) -> u64 {
        self.next_door.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn doors(&self) -> MutexGuard<'_, HashMap<u64, Dense<Core>>> {
        lock(&self.doors)
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, HashMap<u128, Arc<Session>>> {
        lock(&self.sessions)
    }

    /// Starts the first thread of the process pool, once.
    pub(crate) fn staff(&self) {
        if !self.staffed.swap(true, Ordering::AcqRel) {
            self.pool.create_thread(false);
        }
    }

    /// Whether new calls are refused because the server is about to hand over.
    #[inline]
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Refuses (or takes) new calls from now on.
    pub(crate) fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Answers the calls that wait for a thread, on doors that take none any more.
    pub(crate) fn turn_away_waiting(&self) {
        // Not under the lock: a call may be all that kept another door, whose end looks at this table.
        let doors: Vec<_> = self.doors().values().cloned().collect();
        for core in doors {
            core.pool.turn_away(&core);
        }
    }

    /// The last active call of a door ended while draining.
    #[cold]
    pub(crate) fn call_ended(&self) {
        drop(lock(&self.ended.0));
        self.ended.1.notify_all();
    }

    /// Results begin to travel in parts.
    pub(crate) fn results_begun(&self) {
        self.unsent.fetch_add(1, Ordering::Relaxed);
    }

    /// Results have gone, or nobody wants them any more.
    pub(crate) fn results_gone(&self) {
        self.unsent.fetch_sub(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        if self.is_draining() {
            self.call_ended();
        }
    }

    /// Waits until no call is active on any door; the number that still are when the time is over.
    pub(crate) fn wait_until_idle(&self, until: Instant) -> usize {
        let mut guard = lock(&self.ended.0);
        loop {
            let active: usize = self.doors().values().map(|core| core.active()).sum();
            // In this order: results are counted before their call is not active any more.
            let active = active.saturating_add(self.unsent.load(Ordering::Acquire));
            let left = until.saturating_duration_since(Instant::now());
            if active == 0 || left.is_zero() {
                return active;
            }
            let waited = self.ended.1.wait_timeout(guard, left);
            guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All references at this moment.
    pub(crate) fn tokens(&self) -> Vec<Arc<Token>> {
        let sources = lock(&self.sources);
        let tokens = sources.values().filter_map(|source| match source {
            Source::Token(token) => Some(Arc::clone(token)),
            _ => None,
        });
        tokens.collect()
    }

    /// A key for a new source; never reused, so that a stale event meets nobody.
    pub(crate) fn next_key(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }

    /// Enters a source that is not watched yet.
    pub(super) fn enter(&self, key: u64, source: Source) {
        lock(&self.sources).insert(key, source);
    }

    /// Has the leader watch a descriptor.
    pub(crate) fn watch_at(&self, key: u64, fd: impl AsFd, source: Source) -> sys::Result<()> {
        self.enter(key, source);
        let added = self
            .epoll
            .add(fd, EpollEvent::new(EpollFlags::EPOLLIN, key));
        if added.is_err() {
            lock(&self.sources).remove(&key);
        }
        added
    }

    /// What is watched under a key.
    pub(crate) fn source(&self, key: u64) -> Option<Source> {
        lock(&self.sources).get(&key).cloned()
    }

    /// Watches a source again that had left epoll for a while, unless it has been forgotten.
    pub(crate) fn watch_again(&self, key: u64, fd: impl AsFd) {
        if self.source(key).is_some() {
            let _added = self.watch_entered(key, fd);
        }
    }

    /// Has the leader watch a source that was entered.
    pub(super) fn watch_entered(&self, key: u64, fd: impl AsFd) -> sys::Result<()> {
        self.epoll
            .add(fd, EpollEvent::new(EpollFlags::EPOLLIN, key))
    }

    /// Forgets a source; the descriptor leaves epoll when its last copy is closed, or here.
    pub(crate) fn unwatch(&self, key: u64, fd: impl AsFd) -> Option<Source> {
        // A forked child may hold a copy of the descriptor, so closing ours would not remove it (epoll(7)).
        let _gone = self.epoll.delete(fd);
        lock(&self.sources).remove(&key)
    }

    /// Forgets a source that is not in epoll.
    pub(super) fn forget(&self, key: u64) -> Option<Source> {
        lock(&self.sources).remove(&key)
    }

    /// Queues the notice that a door has become unreferenced.
    pub(crate) fn deliver_unreferenced(self: &Arc<Self>, door: u64) {
        self.notices.push(self, door);
    }

    /// Nobody can reach the door any more.
    pub(crate) fn forget_door(&self, id: u64) {
        let core = self.doors().remove(&id);
        if let Some(core) = core {
            core.retire_pool();
        }
    }
}

/// The parent's runtime lives on in a forked child as memory: its threads do not exist here, its locks may be held
/// for ever, and its descriptors are copies. Nothing of it may run, so it is never dropped.
#[expect(
    clippy::mem_forget,
    reason = "the drop would run the parent's clean-up in the child"
)]
fn keep_inherited(inherited: Arc<Runtime>) {
    std::mem::forget(inherited);
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
