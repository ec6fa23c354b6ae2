//! The serving side.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, bind, listen, send};

use super::look::look;
use super::packet::receive;
use super::{address, fresh};
use crate::Result;
use crate::identity::{Identity, Noted, ask_groups};
use crate::job::Job;

/// What serves, on whichever thread.
#[derive(Debug)]
pub(super) struct Server {
    job: Arc<Job>,
    listener: OwnedFd,
    /// Watches the connections that have outlived their call.
    epoll: Epoll,
    connections: BTreeMap<u64, OwnedFd>,
    /// The number of the newest connection: they grow in the order in which connections were made.
    newest: u64,
    /// The connection that was answered last: most end at once, and are never watched.
    brief: Option<(u64, OwnedFd)>,
    /// Who has called last, and the number of the connection.
    known: Option<(u64, Identity)>,
    data: Vec<u8>,
}

/// A call whose sender is known.
#[derive(Debug)]
pub(super) struct Call {
    job: Arc<Job>,
    number: u64,
    socket: OwnedFd,
    data: Vec<u8>,
    results: Vec<u8>,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    listener: bool,
    others: bool,
    brief: PollState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PollState {
    #[default]
    Nothing,
    Something,
    /// All that was sent before it is in the queue.
    HungUp,
}

impl Server {
    pub(super) fn new(job: &Job) -> Result<Self> {
        let listener = fresh()?;
        // Connections inherit it, so that even their first packets name their senders.
        set_socket_passcred(&listener, true)?;
        bind(&listener, &address(job)?)?;
        listen(&listener, 4096)?;
        Ok(Self {
            job: Arc::new(job.clone()),
            listener,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: BTreeMap::new(),
            newest: 0,
            brief: None,
            known: None,
            data: vec![0; job.size],
        })
    }

    /// Waits for something; a call, if it is one.
    pub(super) fn turn(&mut self) -> Result<Option<Call>> {
        let ready = self.wait()?;
        if ready.brief != PollState::Nothing
            && let Some((number, socket)) = self.brief.take()
            && let Some(call) = self.hear(number, socket, ready.brief)?
        {
            return Ok(Some(call));
        }
        let mut event = [EpollEvent::empty()];
        if ready.others && self.epoll.wait(&mut event, EpollTimeout::ZERO)? > 0 {
            let [event] = event;
            let hung_up = event.events().contains(EpollFlags::EPOLLHUP);
            let state = if hung_up {
                PollState::HungUp
            } else {
                PollState::Something
            };
            if let Some(socket) = self.connections.remove(&event.data())
                && let Some(call) = self.hear(event.data(), socket, state)?
            {
                return Ok(Some(call));
            }
        }
        if ready.listener {
            return self.accept();
        }
        Ok(None)
    }

    /// After a call, its connection's end and the next caller may come at once.
    fn wait(&self) -> Result<Ready> {
        if self.brief.is_some()
            && let Some(ready) = look(|| self.ready(PollTimeout::ZERO).ok().flatten())
        {
            return Ok(ready);
        }
        Ok(self.ready(PollTimeout::NONE)?.unwrap_or_default())
    }

    /// All that is watched, in one look.
    fn ready(&self, wait: PollTimeout) -> Result<Option<Ready>> {
        let watched = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let (listener, others) = (
            watched(self.listener.as_fd()),
            watched(self.epoll.0.as_fd()),
        );
        let is_there = |fd: &PollFd<'_>| fd.any() == Some(true);
        let mut fds = vec![listener, others];
        fds.extend(self.brief.as_ref().map(|(_, brief)| watched(brief.as_fd())));
        let found = poll(&mut fds, wait);
        let brief = fds
            .get(2)
            .and_then(PollFd::revents)
            .unwrap_or(PollFlags::empty());
        let ready = Ready {
            listener: fds.first().is_some_and(is_there),
            others: fds.get(1).is_some_and(is_there),
            brief: if brief.contains(PollFlags::POLLHUP) {
                PollState::HungUp
            } else if brief.is_empty() {
                PollState::Nothing
            } else {
                PollState::Something
            },
        };
        match found {
            Ok(0) | Err(nix::errno::Errno::EINTR) => Ok(None),
            found => Ok(found.map(|_| Some(ready))?),
        }
    }

    /// Takes a connection.
    fn accept(&mut self) -> Result<Option<Call>> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = match accept_with(&self.listener, flags) {
            Err(Errno::AGAIN) => return Ok(None),
            socket => socket?,
        };
        self.newest = self.newest.saturating_add(1);
        // Who connects has mostly called by now.
        self.hear(self.newest, socket, PollState::Something)
    }

    /// What has come on a connection, which ends if it is no call of who has made it.
    fn hear(&mut self, number: u64, socket: OwnedFd, state: PollState) -> Result<Option<Call>> {
        match receive(&socket, &mut self.data, RecvFlags::DONTWAIT) {
            Ok((_, None)) if state == PollState::HungUp => Ok(None),
            Err(Errno::AGAIN) | Ok((_, None)) => {
                self.watch(number, socket)?;
                Ok(None)
            }
            Ok((bytes, Some(sender))) if self.is_by(number, &socket, sender) => {
                let mut data = self.data.clone();
                data.truncate(bytes);
                Ok(Some(Call {
                    job: Arc::clone(&self.job),
                    number,
                    socket,
                    data,
                    results: Vec::new(),
                }))
            }
            // Somebody else's, or an error of the connection's.
            _ => Ok(None),
        }
    }

    /// Whether a packet that has come is by the process that has made the connection. If that is the one that has called
    /// last, on a connection that was made before, it is still open: its pid was nobody else's in between.
    fn is_by(&mut self, number: u64, socket: &OwnedFd, sender: i32) -> bool {
        let Ok(noted) = Noted::at(socket) else {
            return false;
        };
        if noted.pid() != sender || ask_groups(socket).is_err() {
            return false;
        }
        let known = self.known.as_ref();
        let again = known.is_some_and(|(before, one)| *before < number && one.is_still(noted));
        if !again {
            self.known = Identity::of(socket, noted).ok().map(|one| (number, one));
        }
        self.known.is_some()
    }

    /// A call was answered.
    pub(super) fn go_on(&mut self, call: Call) {
        let before = self.brief.replace((call.number, call.socket));
        if let Some((number, socket)) = before {
            // One that cannot be watched ends.
            let _watched = self.watch(number, socket);
        }
    }

    fn watch(&mut self, number: u64, socket: OwnedFd) -> Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number);
        match self.epoll.add(&socket, event) {
            // It has been there before.
            Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
            added => added?,
        }
        self.connections.insert(number, socket);
        Ok(())
    }
}

impl Call {
    /// The server procedure.
    pub(super) fn run(&mut self) {
        let mut scratch = Vec::new();
        // What cannot be answered is answered with nothing, which the caller notices.
        let results = self
            .job
            .answer(&self.data, &mut scratch)
            .unwrap_or_default();
        self.results = results.to_vec();
    }

    pub(super) fn answer(&self) -> Result<()> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        send(&self.socket, &self.results, flags)?;
        Ok(())
    }
}
