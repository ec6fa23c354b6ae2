//! What a first contact costs at least: a unix seqpacket socket, a server that knows of each caller what a server of doors
//! has to know, and nothing else.
//!
//! One thread serves all connections, so that a silent one holds up nobody. Each packet names its sender, and a call is
//! answered only if that is who has connected. The caller does not wait for ever.

use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_passcred, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, accept_with, bind, connect, listen, recvmsg, send, socket_with,
};

use super::{Caller, Peer, Service};
use crate::Result;
use crate::identity::Identity;
use crate::job::{Job, Kind, Pace};

/// Longer messages do not fit a socket's buffer as it is by default (`net.core.wmem_default`).
const LARGEST: usize = 128 * 1024;
/// A caller waits no longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What epoll(7) calls the listener; connections count from 1.
const LISTENER: u64 = 0;
/// Events of one look.
const EVENTS: usize = 64;
/// Room for who has sent a packet.
const ROOM: usize = rustix::cmsg_space!(ScmCredentials(1));

#[derive(Debug)]
pub(crate) struct Contact;

pub(crate) const FIRST_CONTACT: Contact = Contact;

impl Peer for Contact {
    fn name(&self) -> &'static str {
        "first contact"
    }

    fn does(&self, job: &Job) -> bool {
        let sensible = job.pace == Pace::Connect && job.kind == Kind::Echo;
        sensible && job.size <= LARGEST && callers_can_be_known()
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        let mut server = Server::new(job)?;
        // An error ends the listener, which clients notice.
        std::thread::spawn(move || server.run());
        Ok(Box::new(()))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        let one = |_| -> Result<Box<dyn Caller>> {
            let socket = fresh(SocketFlags::CLOEXEC)?;
            connect(&socket, &address(job)?)?;
            Ok(Box::new(Connection {
                socket,
                is_guarded: false,
            }))
        };
        (0..job.lines).map(one).collect()
    }
}

/// Whether this kernel tells what there is to know, and in this form.
fn callers_can_be_known() -> bool {
    UnixStream::pair().is_ok_and(|(one, _other)| Identity::of(one).is_ok())
}

fn fresh(flags: SocketFlags) -> Result<OwnedFd> {
    let kind = SocketType::SEQPACKET;
    Ok(socket_with(AddressFamily::UNIX, kind, flags, None)?)
}

fn address(job: &Job) -> Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(job.path("contact"))?)
}

/// One packet: its length, and who has sent it. An end has no sender.
fn receive(
    socket: impl AsFd,
    data: &mut [u8],
    flags: RecvFlags,
) -> rustix::io::Result<(usize, Option<i32>)> {
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(data)],
        &mut control,
        flags | RecvFlags::CMSG_CLOEXEC,
    )?;
    let sender = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(sender) => Some(sender.pid.as_raw_nonzero().get()),
        _ => None,
    });
    Ok((received.bytes, sender))
}

/// The thread that serves.
#[derive(Debug)]
struct Server {
    job: Job,
    listener: OwnedFd,
    epoll: Epoll,
    connections: BTreeMap<u64, OwnedFd>,
    /// The number of the newest connection.
    newest: u64,
    data: Vec<u8>,
    scratch: Vec<u8>,
}

impl Server {
    fn new(job: &Job) -> Result<Self> {
        let listener = fresh(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        // Connections inherit it, so that even their first packets name their senders.
        set_socket_passcred(&listener, true)?;
        bind(&listener, &address(job)?)?;
        listen(&listener, 4096)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        Ok(Self {
            job: job.clone(),
            listener,
            epoll,
            connections: BTreeMap::new(),
            newest: LISTENER,
            data: vec![0; job.size],
            scratch: Vec::new(),
        })
    }

    fn run(&mut self) -> Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => continue,
                count => count?,
            };
            for event in events.iter().take(count) {
                match event.data() {
                    LISTENER => self.accept()?,
                    number if event.events().contains(EpollFlags::EPOLLHUP) => {
                        self.connections.remove(&number);
                    }
                    number => self.go_on(number),
                }
            }
        }
    }

    /// Takes a connection.
    fn accept(&mut self) -> Result<()> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = match accept_with(&self.listener, flags) {
            Err(Errno::AGAIN) => return Ok(()),
            socket => socket?,
        };
        // Who connects has mostly called by now, and is answered before anything else is done.
        if self.answer(&socket).is_ok() {
            self.newest = self.newest.saturating_add(1);
            let event = EpollEvent::new(EpollFlags::EPOLLIN, self.newest);
            self.epoll.add(&socket, event)?;
            self.connections.insert(self.newest, socket);
        }
        Ok(())
    }

    /// Something came on a connection.
    fn go_on(&mut self, number: u64) {
        let Some(socket) = self.connections.remove(&number) else {
            return;
        };
        if self.answer(&socket).is_ok() {
            self.connections.insert(number, socket);
        }
    }

    /// Answers a call if one is there. An error ends the connection.
    fn answer(&mut self, socket: &OwnedFd) -> Result<()> {
        let (bytes, sender) = match receive(socket, &mut self.data, RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN) => return Ok(()),
            received => received?,
        };
        let sender = sender.ok_or("the client has gone")?;
        let caller = Identity::of(socket)?;
        if caller.pid() != sender {
            return Err("a call of somebody else".into());
        }
        let data = self.data.get(..bytes).unwrap_or_default();
        let results = self.job.answer(data, &mut self.scratch)?;
        send(socket, results, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        Ok(())
    }
}

/// The caller's side.
#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    /// Answers name their senders, and are not waited for for ever.
    is_guarded: bool,
}

impl Caller for Connection {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        send(
            &self.socket,
            data,
            SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        )?;
        // The server is at work meanwhile.
        if !self.is_guarded {
            set_socket_passcred(&self.socket, true)?;
            set_socket_timeout(&self.socket, Timeout::Recv, Some(PATIENCE))?;
            self.is_guarded = true;
        }
        results.resize(data.len(), 0);
        let (bytes, sender) = receive(&self.socket, results, RecvFlags::empty())?;
        if sender.is_some() && bytes == data.len() {
            Ok(())
        } else {
            Err("the connection has ended".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::stage::Stage;

    /// A server in this process, if the kernel can tell who calls.
    fn served() -> Option<(Stage, Job)> {
        let stage = Stage::new().unwrap();
        let job = Job {
            place: stage.path().to_owned(),
            peer: FIRST_CONTACT.name().to_owned(),
            size: 8,
            kind: Kind::Echo,
            pace: Pace::Connect,
            first: 0,
            lines: 1,
            slice: Duration::ZERO,
        };
        if !FIRST_CONTACT.does(&job) {
            return None;
        }
        FIRST_CONTACT.serve(&job).unwrap();
        Some((stage, job))
    }

    #[test]
    fn every_call_of_every_connection_is_answered() {
        let Some((_stage, job)) = served() else {
            return;
        };
        let mut results = Vec::new();
        let mut kept = Vec::new();
        for number in 0..3_u8 {
            let mut callers = FIRST_CONTACT.connect(&job).unwrap();
            for call in 0..2 {
                let data = [number, call, 2, 3, 4, 5, 6, 7];
                callers[0].call(&data, &mut results).unwrap();
                assert_eq!(results, data);
            }
            // The first one stays, as silent connections do.
            if number == 0 {
                kept = callers;
            }
        }
        kept[0].call(&[8; 8], &mut results).unwrap();
        assert_eq!(results, [8; 8]);
    }

    #[test]
    fn a_call_of_another_process_than_the_one_that_connected_ends_the_connection() {
        let Some((_stage, job)) = served() else {
            return;
        };
        let socket = fresh(SocketFlags::CLOEXEC).unwrap();
        connect(&socket, &address(&job).unwrap()).unwrap();
        let lent = Stdio::from(socket.try_clone().unwrap());
        let status = Command::new("printf").arg("12345678").stdout(lent).status();
        assert!(status.unwrap().success());
        set_socket_passcred(&socket, true).unwrap();
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)).unwrap();
        // Nothing was read but what came, so that this is an end and no reset.
        let end = receive(&socket, &mut [0; 8], RecvFlags::empty());
        assert_eq!(end, Ok((0, None)));
    }

    #[test]
    fn only_first_contacts_are_measured() {
        let Some((_stage, job)) = served() else {
            return;
        };
        let closed = Job {
            pace: Pace::Closed,
            ..job.clone()
        };
        assert!(FIRST_CONTACT.does(&job) && !FIRST_CONTACT.does(&closed));
    }
}
