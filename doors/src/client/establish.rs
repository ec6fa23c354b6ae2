//! How a token becomes callable: through the session that we have with its server, or a new one.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use super::hold::Hold;
use super::petition::{Answer, Petition, deadline, system};
use super::process::ClientProcess;
use super::session::Session;
use crate::error::DoorCondition;
use crate::sys::peer::{peer_cred, peer_pidfd};
use crate::sys::process::{Process, ProcessId};
use crate::sys::{fork, socket};
use crate::wire::limits::PROTOCOL_DEADLINE;
use crate::wire::message::{Message, Violation};

/// A token as it can be called.
#[derive(Debug)]
pub(crate) struct Link {
    session: Hold,
    pub(crate) registration: u64,
    pub(crate) pool: u64,
    pub(crate) door: u64,
}

impl Link {
    #[inline]
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Whether calls can still go this way.
    #[inline]
    pub(crate) fn is_live(&self) -> bool {
        !self.session.is_dead() && self.session.life == fork::life()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // In a forked child the lock may be held for ever.
        if self.session.life == fork::life() {
            self.session.leave_pool(self.pool);
        }
    }
}

/// Makes a token callable. `known` says whether somebody else has found a way while this thread waited for its turn.
pub(crate) fn establish(
    token: BorrowedFd<'_>,
    until: Option<Instant>,
    known: impl FnOnce() -> bool,
    found: impl FnOnce(Link),
) -> Result<(), DoorCondition> {
    let process = ClientProcess::current().map_err(|e| system("set up the client's side", e))?;
    // Only a hint: it names whoever made the socket, which may be a service manager, or long gone.
    let maker = peer_cred(token).map_or(0, |maker| maker.pid);
    // Processes of other pid namespaces have no pid here, and must not wait for each other.
    let made_by = peer_pidfd(token);
    let lives = made_by
        .as_ref()
        .is_ok_and(|by| by.is_alive().unwrap_or(true));
    let made_by = made_by.map_or(ProcessId::noted(maker), |by| by.id());
    let gate = process.gate(made_by);
    // Many threads that come at once end up with one session and one registration. A server that is stuck must not hold
    // up those that call it later for longer than the protocol allows; a second session is harmless.
    let protocol = deadline(PROTOCOL_DEADLINE);
    let patient = until.map_or(protocol, |until| until.min(protocol));
    let _turn = gate.enter(patient);
    if !known() {
        // Before the next thread has its turn.
        found(reach(token, until, (maker, lives), &process)?);
    }
    Ok(())
}

/// Through the session that there is, or a new one.
fn reach(
    token: BorrowedFd<'_>,
    until: Option<Instant>,
    (maker, lives): (i32, bool),
    process: &ClientProcess,
) -> Result<Link, DoorCondition> {
    let mut likely = process.likely_session(maker, lives);
    // The second is with whoever has refused the first.
    for _ in 0..2 {
        let Some(session) = likely else { break };
        let tried = session.server.id();
        match register(token, session, until)? {
            Registering::Done(link) => {
                process.answers(maker, tried);
                return Ok(link);
            }
            Registering::RefusedBy(server) => {
                let other = server.filter(|server| *server != tried);
                likely = other.and_then(|server| process.session(server));
            }
        }
    }
    let link = hello(token, process, until)?;
    process.answers(maker, link.session.server.id());
    Ok(link)
}

/// What came of registering a door in a session.
enum Registering {
    Done(Link),
    /// The token's server does not know the session: it is this one, if it could be named.
    RefusedBy(Option<ProcessId>),
}

/// Registers the token's door in a session.
fn register(
    token: BorrowedFd<'_>,
    session: Hold,
    until: Option<Instant>,
) -> Result<Registering, DoorCondition> {
    let mut petition = Petition::send(
        token,
        &Message::Register {
            session: session.id,
        },
        until,
    )?;
    let answer = match petition.receive() {
        Ok(answer) => answer,
        // A door that is gone says the same as a server that does not know us; HELLO tells them apart.
        Err(DoorCondition::NoDoor) => return Ok(Registering::RefusedBy(petition.server())),
        Err(other) => return Err(other),
    };
    let (server, _private) = petition.finish()?;
    if !server.same_as(&session.server).unwrap_or(false) {
        return Err(DoorCondition::Protocol(Violation::Sender));
    }
    link(session, answer.message).map(Registering::Done)
}

fn link(session: Hold, message: Message) -> Result<Link, DoorCondition> {
    match message {
        Message::Registered {
            session: id,
            registration,
            door,
            pool,
            ..
        } if id == session.id => {
            session.enter_pool(pool);
            Ok(Link {
                session,
                registration,
                pool,
                door,
            })
        }
        _ => Err(DoorCondition::Protocol(Violation::Turn)),
    }
}

/// Opens a session: windows, acknowledgement, ready.
fn hello(
    token: BorrowedFd<'_>,
    process: &ClientProcess,
    until: Option<Instant>,
) -> Result<Link, DoorCondition> {
    let mut petition = Petition::send(token, &Message::Hello { channels: 1 }, until)?;
    let mut windows = petition.receive()?;
    let Message::Windows { session: id, .. } = windows.message else {
        return Err(DoorCondition::Protocol(Violation::Turn));
    };
    let registered = petition.receive()?.message;
    // The session object takes over the private end; the rest of the conversation is read here, and by the
    // watcher from then on.
    let patient = petition.until();
    let (server, private) = petition.finish()?;
    let mut rest = Petition::resume(Arc::clone(&private), same(&server)?, patient);
    let session = Session::new(id, process.life, server, private);
    session
        .packet(windows.message, &mut windows.fds)
        .map_err(DoorCondition::Protocol)?;
    if session.is_without_channels() {
        return Err(DoorCondition::NoRoom);
    }
    let mut ready: Answer = rest.receive().map_err(|error| match error {
        // The door is still there, and its server has ended what it had begun: a restart came in between.
        DoorCondition::NoDoor if !socket::is_hung_up(token) => DoorCondition::Draining,
        other => other,
    })?;
    if !matches!(ready.message, Message::Ready { .. }) {
        return Err(DoorCondition::Protocol(Violation::Turn));
    }
    session
        .packet(ready.message, &mut ready.fds)
        .map_err(DoorCondition::Protocol)?;
    process
        .watcher
        .watch(&session)
        .map_err(|e| system("watch the session", e))?;
    let link = link(Hold::new(&session), registered).inspect_err(|_| session.die())?;
    process.enter(&session);
    Ok(link)
}

fn same(server: &Process) -> Result<Process, DoorCondition> {
    let copy = server
        .as_fd()
        .try_clone_to_owned()
        .map_err(|e| io("copy a pidfd", &e))?;
    Process::from_pidfd(copy).map_err(|_| DoorCondition::NoDoor)
}

fn io(op: &'static str, error: &std::io::Error) -> DoorCondition {
    let number = error.raw_os_error().unwrap_or(0);
    system(op, nix::errno::Errno::from_raw(number))
}
