//! A unix stream socket: a thread per connection in the server, messages of a length that both sides know.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use super::{Caller, Peer, Service};
use crate::Result;
use crate::job::{Job, Kind, Pace};
use crate::pin::processor;
use crate::rights;

#[derive(Debug)]
pub(crate) struct Stream;

pub(crate) const STREAM: Stream = Stream;

impl Peer for Stream {
    fn name(&self) -> &'static str {
        "unix stream"
    }

    fn does(&self, job: &Job) -> bool {
        !matches!(job.kind, Kind::Doors(_))
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        let listener = UnixListener::bind(job.path("stream"))?;
        let job = job.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(std::result::Result::ok) {
                if job.pace == Pace::Connect {
                    // One after another, without the price of a thread.
                    serve_one(&job, stream);
                } else {
                    let job = job.clone();
                    std::thread::spawn(move || serve_one(&job, stream));
                }
            }
        });
        Ok(Box::new(()))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        let one = |_| -> Result<Box<dyn Caller>> {
            let stream = UnixStream::connect(job.path("stream"))?;
            Ok(Box::new(Connection {
                stream,
                tells: tells(job),
            }))
        };
        (0..job.lines).map(one).collect()
    }
}

/// Whether answers begin with the server's processor: where it matters on which processors the scheduler puts the two
/// sides, and the kernel tells that to each without a system call (getcpu(2)).
fn tells(job: &Job) -> bool {
    matches!(job.pace, Pace::Gap { .. }) && job.kind == Kind::Echo
}

/// Until the client has gone.
fn serve_one(job: &Job, mut stream: UnixStream) {
    let mut data = vec![0; job.size];
    let mut scratch = Vec::new();
    let descriptors = match job.kind {
        Kind::Descriptors(count) => count,
        _ => 0,
    };
    loop {
        let received = if descriptors > 0 {
            rights::receive(&stream, &mut data, descriptors)
        } else {
            stream.read_exact(&mut data).map_err(Into::into)
        };
        if received.is_err() {
            return;
        }
        if tells(job)
            && let Some(told) = data.first_chunk_mut()
        {
            *told = processor().to_le_bytes();
        }
        let Ok(results) = job.answer(&data, &mut scratch) else {
            return;
        };
        if stream.write_all(results).is_err() {
            return;
        }
    }
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    tells: bool,
}

impl Connection {
    fn receive(&mut self, size: usize, results: &mut Vec<u8>) -> Result<()> {
        results.resize(size, 0);
        Ok(self.stream.read_exact(results)?)
    }
}

impl Caller for Connection {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        self.stream.write_all(data)?;
        self.receive(data.len(), results)
    }

    fn call_with(&mut self, data: &[u8], given: &[OwnedFd], results: &mut Vec<u8>) -> Result<()> {
        rights::send(&self.stream, data, given)?;
        self.receive(data.len(), results)
    }

    fn was_across(&self, results: &[u8]) -> Option<bool> {
        let told = results.first_chunk().filter(|_| self.tells)?;
        Some(u32::from_le_bytes(*told) != processor())
    }
}
