//! The one thread that watches everything which is not a staffed channel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};

use super::core::lock;
use super::packet::{Progress, TELL_AFTER};
use super::runtime::{Attached, Runtime, Source};
use super::session::Session;
use super::token::Token;
use super::unfinished::Unfinished;
use crate::event;
use crate::sys::socket::sent_by;
use crate::sys::{self, socket};
use crate::wire::limits::{CONTROL_BYTES, PACKET_DATA_BYTES};
use crate::wire::message::{Message, Violation};

/// Packets taken from one source before the others get their turn.
const PACKETS_A_TURN: usize = 16;
/// The first and the longest pause before a faked hang-up is looked at again.
const RECHECK_FIRST: Duration = Duration::from_millis(10);
const RECHECK_LONGEST: Duration = Duration::from_secs(5);
/// The longest pause before a first call that waits for a thread is looked at again.
const TELL_LONGEST: Duration = Duration::from_millis(100);
/// A wake that missed its thread is repeated after this time.
const REPEAT_AFTER: Duration = Duration::from_millis(1);

/// How long a listener rests whose connections there is no room for.
const DEAF_FOR: Duration = Duration::from_millis(20);

/// The leader's own state.
pub(crate) struct Leader {
    pub(crate) runtime: Arc<Runtime>,
    buffer: Vec<u8>,
    /// First calls whose opener has not heard anything yet.
    untold: Vec<Untold>,
    /// Some thread that was called off its channel has not left yet.
    calls_away: bool,
    /// Tokens with a hang-up that somebody faked.
    faked: Vec<Faked>,
    /// Handshakes that have not come to their end.
    pub(crate) unfinished: Unfinished,
    /// Listeners with connections that there is no room to take, and when they are looked at again.
    deaf: Vec<(Arc<Attached>, Instant)>,
    /// Given up when the descriptor table is full, so that a connection can be taken and refused.
    reserve: Option<nix::sys::eventfd::EventFd>,
}

/// A first call that has not been answered yet.
struct Untold {
    token: Arc<Token>,
    call: Arc<Progress>,
    at: Instant,
    pause: Duration,
    /// The opener knows that its call waits for a thread.
    queued: bool,
}

struct Faked {
    token: Weak<Token>,
    at: Instant,
    pause: Duration,
}

/// Starts the leader of a runtime.
pub(crate) fn start(runtime: &Arc<Runtime>) -> sys::Result<()> {
    let mut leader = Leader {
        runtime: Arc::clone(runtime),
        buffer: Vec::new(),
        untold: Vec::new(),
        calls_away: false,
        faked: Vec::new(),
        unfinished: Unfinished::default(),
        deaf: Vec::new(),
        reserve: spare(),
    };
    let started = std::thread::Builder::new()
        .name("door-leader".into())
        .spawn(move || {
            loop {
                // Nothing in a turn is known to panic. If something does, it costs that turn, not the service.
                if catch_unwind(AssertUnwindSafe(|| leader.turn())).is_err() {
                    event::panicked("door-leader");
                }
            }
        });
    started
        .map(drop)
        .map_err(|error| error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw))
}

fn spare() -> Option<nix::sys::eventfd::EventFd> {
    nix::sys::eventfd::EventFd::from_flags(nix::sys::eventfd::EfdFlags::EFD_CLOEXEC).ok()
}

impl Leader {
    fn turn(&mut self) {
        self.buffer
            .resize(PACKET_DATA_BYTES.saturating_add(CONTROL_BYTES), 0);
        let mut events = [EpollEvent::empty(); 64];
        let count = self
            .runtime
            .epoll
            .wait(&mut events, self.timeout())
            .unwrap_or(0);
        for event in events.iter().take(count) {
            // A source that was forgotten between the wait and now meets nobody.
            if let Some(source) = self.runtime.source(event.data()) {
                self.event(source, event.events());
            }
        }
        for session in self.runtime.unseen() {
            session.scan();
        }
        for id in self.runtime.graves() {
            self.end_session(id);
        }
        self.calls_away = self.runtime.repeat_wakes();
        self.runtime.starved.try_again();
        self.tell();
        self.recheck();
        for (token, uid) in self.runtime.newcomers() {
            self.unfinished.connected(&token, uid);
        }
        self.end_unfinished();
        self.listen_again();
    }

    /// Sleeps for ever unless something wants another look at some time.
    fn timeout(&self) -> EpollTimeout {
        let told = self.untold.iter().map(|untold| untold.at);
        let rechecked = self.faked.iter().map(|faked| faked.at);
        let repeated = self.calls_away.then(|| later(REPEAT_AFTER));
        let unfinished = self.unfinished.due();
        let deaf = self.deaf.iter().map(|(_, at)| *at);
        let looks = told.chain(rechecked).chain(repeated);
        let starved = self.runtime.starved.due();
        match looks.chain(unfinished).chain(deaf).chain(starved).min() {
            None => EpollTimeout::NONE,
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now());
                let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
                EpollTimeout::from(millis.saturating_add(1))
            }
        }
    }

    fn event(&mut self, source: Source, flags: EpollFlags) {
        match source {
            Source::Wakeup => {
                let _spurious = self.runtime.wakeup.read();
            }
            Source::Names => self.names_changed(),
            Source::Listener(attached) => self.accept(&attached),
            Source::Token(token) => self.token(&token, flags),
            Source::Session(session) => self.session(&session),
            Source::Client(session) => self.end_session(session.id),
        }
    }

    /// Takes connections. Lack of descriptors costs the newest connection, never the server.
    fn accept(&mut self, attached: &Arc<Attached>) {
        for _ in 0..PACKETS_A_TURN {
            match self.runtime.take_connection(attached) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_full) => {
                    self.reserve = None;
                    let refused = socket::accept(&attached.listener).is_ok();
                    self.reserve = spare();
                    if !refused {
                        self.be_deaf(attached);
                    }
                    return;
                }
            }
        }
    }

    /// Not even the reserve was left. The connection would be reported for ever (epoll is level-triggered), so the
    /// listener leaves epoll for a while.
    fn be_deaf(&mut self, attached: &Arc<Attached>) {
        let _gone = self.runtime.epoll.delete(&attached.listener);
        self.deaf.push((Arc::clone(attached), later(DEAF_FOR)));
    }

    fn listen_again(&mut self) {
        let now = Instant::now();
        let runtime = &self.runtime;
        self.deaf.retain(|(attached, at)| {
            if *at > now {
                return true;
            }
            // One that was detached meanwhile is not in the table any more.
            if runtime.source(attached.key).is_some() {
                let event = EpollEvent::new(EpollFlags::EPOLLIN, attached.key);
                let _added = runtime.epoll.add(&attached.listener, event);
            }
            false
        });
    }

    /// Ends what nobody has finished in time.
    fn end_unfinished(&mut self) {
        let now = Instant::now();
        for session in self.unfinished.sessions_over(now) {
            self.end_session(session.id);
        }
        for token in self.unfinished.connections_over(now) {
            // A word that has come at this very moment counts.
            self.token(&token, EpollFlags::empty());
            if !token.has_spoken() && self.runtime.unwatch(token.key, &token.socket).is_some() {
                token.end();
            }
        }
    }

    fn token(&mut self, token: &Arc<Token>, flags: EpollFlags) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..PACKETS_A_TURN {
            match socket::receive(&token.socket, &mut buffer) {
                Ok(Some(received)) => {
                    let bytes = buffer.get(..received.len).unwrap_or_default();
                    if let Err(found) = self.petition(token, bytes, received) {
                        event::packet_refused(token.core.id, &found);
                    }
                }
                Err(Errno::EAGAIN) => {
                    if flags.contains(EpollFlags::EPOLLHUP) {
                        self.hung_up(token);
                    }
                    break;
                }
                Ok(None) | Err(_) => {
                    self.hung_up(token);
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    fn hung_up(&mut self, token: &Arc<Token>) {
        if token.is_gone() {
            if self.runtime.unwatch(token.key, &token.socket).is_some() {
                token.end();
            }
            return;
        }
        // Somebody called shutdown(2). The hang-up would be reported for ever (epoll is level-triggered), so the
        // socket leaves epoll, though not the table of sources, and is looked at now and then.
        let _gone = self.runtime.epoll.delete(&token.socket);
        let pause = RECHECK_FIRST;
        let at = later(pause);
        self.faked.push(Faked {
            token: Arc::downgrade(token),
            at,
            pause,
        });
    }

    fn recheck(&mut self) {
        let now = Instant::now();
        let mut ended = Vec::new();
        self.faked.retain_mut(|faked| {
            if faked.at > now {
                return true;
            }
            let Some(token) = faked.token.upgrade() else {
                return false;
            };
            if token.is_gone() {
                ended.push(token);
                return false;
            }
            faked.pause = faked.pause.saturating_mul(2).min(RECHECK_LONGEST);
            faked.at = later(faked.pause);
            true
        });
        for token in ended {
            if self.runtime.unwatch(token.key, &token.socket).is_some() {
                token.end();
            }
        }
    }

    fn session(&mut self, session: &Arc<Session>) {
        let mut buffer = [0_u8; CONTROL_BYTES];
        for _ in 0..PACKETS_A_TURN {
            match socket::receive(&session.socket, &mut buffer) {
                Ok(Some(mut received)) => {
                    let bytes = buffer.get(..received.len).unwrap_or_default();
                    let done = if received.cut || received.fds_lost || !received.fds.is_empty() {
                        Err(Violation::Descriptors)
                    } else if sent_by(&mut received, &session.client) {
                        Message::decode(bytes).and_then(|(message, _)| session.packet(message))
                    } else {
                        Err(Violation::Sender)
                    };
                    if let Err(found) = done {
                        session.violated(found);
                        return;
                    }
                }
                Err(Errno::EAGAIN) => break,
                Ok(None) | Err(_) => {
                    self.end_session(session.id);
                    return;
                }
            }
        }
        // Whatever came counts as a ring: one that did not fit a full queue was as good as sent.
        session.scan();
    }

    fn end_session(&mut self, id: u128) {
        let session = self.runtime.sessions().remove(&id);
        if let Some(session) = session {
            for key in std::mem::take(&mut *lock(&session.keys)) {
                match self.runtime.source(key) {
                    Some(Source::Session(session)) => {
                        self.runtime.unwatch(key, &session.socket);
                    }
                    Some(Source::Client(session)) => {
                        self.runtime.unwatch(key, &session.client);
                    }
                    _ => {}
                }
            }
            session.end();
        }
    }

    /// An opener hears within some milliseconds that its first call has arrived or begun.
    pub(crate) fn told_later(&mut self, token: &Arc<Token>, call: &Arc<Progress>) {
        self.untold.push(Untold {
            token: Arc::clone(token),
            call: Arc::clone(call),
            at: after(call.since, TELL_AFTER),
            pause: TELL_AFTER,
            queued: false,
        });
    }

    fn tell(&mut self) {
        let now = Instant::now();
        self.untold.retain_mut(|untold| {
            if untold.call.is_done() {
                return false;
            }
            if untold.at > now {
                return true;
            }
            // One that still waits for a thread is told again when it has begun.
            let notice = untold.call.notice();
            let waits = matches!(notice, Message::Queued { .. });
            if !(waits && untold.queued) {
                let _gone = socket::send(&untold.token.socket, &[&notice.encode(0)], &[]);
            }
            untold.queued = waits;
            untold.pause = untold.pause.saturating_mul(2).min(TELL_LONGEST);
            untold.at = after(now, untold.pause);
            waits
        });
    }

    /// A name was removed or replaced by somebody.
    fn names_changed(&mut self) {
        if let Some(names) = &self.runtime.names {
            let _events = names.read_events();
        }
        for attached in self.runtime.listeners() {
            if attached
                .name
                .as_ref()
                .is_some_and(crate::name::Name::is_gone)
            {
                self.runtime.unlisten(&attached);
            }
        }
    }
}

fn later(pause: Duration) -> Instant {
    after(Instant::now(), pause)
}

fn after(at: Instant, pause: Duration) -> Instant {
    at.checked_add(pause).unwrap_or(at)
}
