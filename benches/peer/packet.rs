//! A unix seqpacket socket: a thread per connection in the server.

use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with,
    bind, connect, listen, recv, send, socket_with,
};

use super::{Caller, Peer, Service};
use crate::Result;
use crate::job::{Job, Kind, Pace};
use crate::rights;

/// Longer messages do not fit a socket's buffer as it is by default (`net.core.wmem_default`).
const LARGEST: usize = 128 * 1024;

#[derive(Debug)]
pub(crate) struct Packet;

pub(crate) const SEQPACKET: Packet = Packet;

impl Peer for Packet {
    fn name(&self) -> &'static str {
        "unix seqpacket"
    }

    fn does(&self, job: &Job) -> bool {
        job.size <= LARGEST && !matches!(job.kind, Kind::Doors(_))
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        let listener = fresh()?;
        bind(&listener, &address(job)?)?;
        listen(&listener, 4096)?;
        let job = job.clone();
        std::thread::spawn(move || {
            while let Ok(client) = accept_with(&listener, SocketFlags::CLOEXEC) {
                if job.pace == Pace::Connect {
                    serve_one(&job, client.as_fd());
                } else {
                    let job = job.clone();
                    std::thread::spawn(move || serve_one(&job, client.as_fd()));
                }
            }
        });
        Ok(Box::new(()))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        let one = |_| -> Result<Box<dyn Caller>> {
            let socket = fresh()?;
            connect(&socket, &address(job)?)?;
            Ok(Box::new(Connection(socket)))
        };
        (0..job.lines).map(one).collect()
    }
}

fn fresh() -> Result<OwnedFd> {
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

fn address(job: &Job) -> Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(job.path("seqpacket"))?)
}

/// Until the client has gone.
fn serve_one(job: &Job, client: impl AsFd) {
    let mut data = vec![0; job.size];
    let mut scratch = Vec::new();
    loop {
        let received = match job.kind {
            Kind::Descriptors(count) => {
                rights::receive(&client, &mut data, count).map(|()| job.size)
            }
            _ => recv(&client, data.as_mut_slice(), RecvFlags::empty())
                .map(|(bytes, _)| bytes)
                .map_err(Into::into),
        };
        let bytes = received.unwrap_or_default();
        let Some(data) = data.get(..bytes).filter(|data| !data.is_empty()) else {
            return;
        };
        let Ok(results) = job.answer(data, &mut scratch) else {
            return;
        };
        if send(&client, results, SendFlags::NOSIGNAL).is_err() {
            return;
        }
    }
}

#[derive(Debug)]
struct Connection(OwnedFd);

impl Connection {
    fn receive(&self, size: usize, results: &mut Vec<u8>) -> Result<()> {
        results.resize(size, 0);
        let (bytes, _) = recv(&self.0, results.as_mut_slice(), RecvFlags::empty())?;
        if bytes == size {
            Ok(())
        } else {
            Err("the connection has ended".into())
        }
    }
}

impl Caller for Connection {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        send(&self.0, data, SendFlags::NOSIGNAL)?;
        self.receive(data.len(), results)
    }

    fn call_with(&mut self, data: &[u8], given: &[OwnedFd], results: &mut Vec<u8>) -> Result<()> {
        rights::send(&self.0, data, given)?;
        self.receive(data.len(), results)
    }
}
