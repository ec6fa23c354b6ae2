//! What a first contact costs at least: a unix seqpacket socket, a server that knows of each caller what a server of doors
//! has to know, both sides as quick to wait as doors are, and nothing else.
//!
//! | step | why it cannot be left out |
//! |---|---|
//! | *caller*: socket(2), connect(2), sendmsg(2), none of which waits | a server that stands still holds up nobody; a blocking connect(2) would wait for room in its backlog |
//! | `sched_yield(2)`, then recvmsg(2) with room for all that can come along | what does not fit is closed in recvmsg(2), for as long as its owner likes |
//! | only if the answer is not there within 50 us: `SO_PASSCRED`, `SO_RCVTIMEO`, `FIONBIO` and a recvmsg(2) that sleeps | an empty packet is told from an end by its sender; nobody waits for ever |
//! | poll(2), close(2) | something that lies in the queue may take long to close, and is closed elsewhere |
//! | *server*: `sched_yield(2)`, poll(2) | one look at the listener, the connection that was answered last, and all others (an epoll(7) of their own): a silent one holds up nobody |
//! | recvmsg(2), close(2) of the connection before | poll(2) tells the end but not what lies before it: a call, or something slow to close |
//! | accept4(2), `SO_PEERCRED`, recvmsg(2) | who has connected, and with which ids, is the kernel's word of that moment; each packet names its sender, which has to be the same |
//! | `SO_PEERPIDFD` and `PIDFD_GET_INFO`, or poll(2) of the pidfd of who has called last | a pid may be another's by now: nobody gets a dead caller's name |
//! | `SO_PEERGROUPS` | policies and procedures ask for groups; a process may change them between two connections |
//! | the seat, in which the server lies while the procedure runs, and a thread that looks there | a procedure that takes long holds up nobody else |
//! | sendmsg(2), which does not wait | a caller that does not listen holds up nobody |
//!
//! What doors do for nothing that can be seen here is left out: quotas, policies, deadlines for silent connections, and the look at the
//! table of descriptors once a millisecond.

mod look;
mod packet;
mod server;
mod stand_in;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::sockopt::{Timeout, set_socket_passcred, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send,
    socket_with,
};

use self::packet::{leave, receive};
use self::server::Server;
use self::stand_in::{Seat, start};
use super::{Caller, Peer, Service};
use crate::Result;
use crate::identity::{Identity, Noted};
use crate::job::{Job, Kind, Pace};

/// Longer messages do not fit a socket's buffer as it is by default (`net.core.wmem_default`).
const LARGEST: usize = 128 * 1024;
/// A caller waits no longer.
const PATIENCE: Duration = Duration::from_secs(5);

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
        let server = Server::new(job)?;
        let seat = Arc::new(Seat::default());
        start(&seat, None);
        start(&seat, Some(server));
        Ok(Box::new(()))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        let one = |_| -> Result<Box<dyn Caller>> {
            let socket = fresh()?;
            connect(&socket, &address(job)?)?;
            Ok(Box::new(Connection(Some(socket))))
        };
        (0..job.lines).map(one).collect()
    }
}

/// Whether this kernel tells what there is to know, and in this form.
fn callers_can_be_known() -> bool {
    let known = |one: &UnixStream| Identity::of(one, Noted::at(one)?);
    UnixStream::pair().is_ok_and(|(one, _other)| known(&one).is_ok())
}

fn fresh() -> Result<OwnedFd> {
    let kind = SocketType::SEQPACKET;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, kind, flags, None)?)
}

fn address(job: &Job) -> Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(job.path("contact"))?)
}

/// The caller's side; only its end is without a socket.
#[derive(Debug)]
struct Connection(Option<OwnedFd>);

impl Caller for Connection {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        let socket = self.0.as_ref().ok_or("no connection")?;
        send(socket, data, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        results.resize(data.len(), 0);
        let soon = look::look(|| match receive(socket, results, RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN) => None,
            received => Some(received),
        });
        let (bytes, _) = match soon {
            Some(received) => received?,
            None => receive_late(socket, results)?,
        };
        if bytes == data.len() && bytes > 0 {
            Ok(())
        } else {
            Err("the connection has ended".into())
        }
    }
}

/// Sleeps for an answer.
fn receive_late(socket: &OwnedFd, results: &mut [u8]) -> Result<(usize, Option<i32>)> {
    set_socket_passcred(socket, true)?;
    set_socket_timeout(socket, Timeout::Recv, Some(PATIENCE))?;
    ioctl_fionbio(socket, false)?;
    Ok(receive(socket, results, RecvFlags::empty())?)
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(socket) = self.0.take() {
            leave(socket);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::job::HANG;
    use crate::stage::Stage;

    fn job(stage: &Stage, kind: Kind) -> Job {
        Job {
            place: stage.path().to_owned(),
            peer: FIRST_CONTACT.name().to_owned(),
            size: 8,
            kind,
            pace: Pace::Connect,
            first: 0,
            lines: 1,
            crowd: 1,
            apart_from: None,
            slice: Duration::ZERO,
        }
    }

    /// A server in this process, if the kernel can tell who calls.
    fn served() -> Option<(Stage, Job)> {
        let stage = Stage::new().unwrap();
        let job = job(&stage, Kind::Echo);
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
        let socket = fresh().unwrap();
        connect(&socket, &address(&job).unwrap()).unwrap();
        let lent = Stdio::from(socket.try_clone().unwrap());
        let status = Command::new("printf").arg("12345678").stdout(lent).status();
        assert!(status.unwrap().success());
        // Nothing was read but what came, so that this is an end and no reset.
        assert_eq!(receive_late(&socket, &mut [0; 8]).unwrap(), (0, None));
    }

    #[test]
    fn a_call_that_takes_long_holds_up_nobody_else() {
        let stage = Stage::new().unwrap();
        if !callers_can_be_known() {
            return;
        }
        let job = job(&stage, Kind::Hang);
        FIRST_CONTACT.serve(&job).unwrap();
        // Some quick ones first, so that somebody looks already.
        let mut results = Vec::new();
        for hangs in [false, false, true, false, true, false] {
            let socket = fresh().unwrap();
            connect(&socket, &address(&job).unwrap()).unwrap();
            let data = if hangs { HANG } else { b"quick" };
            send(&socket, data, SendFlags::DONTWAIT).unwrap();
            if !hangs {
                results.resize(data.len(), 0);
                receive_late(&socket, &mut results).unwrap();
                assert_eq!(results, data);
            }
        }
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
