//! Two pipes for each line, with names.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{Caller, Peer, Service};
use crate::Result;
use crate::job::{Job, Kind, Pace};

#[derive(Debug)]
pub(crate) struct Pipe;

pub(crate) const PIPE: Pipe = Pipe;

/// The two names of a line.
fn names(line: usize) -> [String; 2] {
    [format!("call.{line}"), format!("reply.{line}")]
}

impl Peer for Pipe {
    fn name(&self) -> &'static str {
        "pipe"
    }

    fn does(&self, job: &Job) -> bool {
        job.pace != Pace::Connect && !matches!(job.kind, Kind::Doors(_) | Kind::Descriptors(_))
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        let lines = job.first..job.first.saturating_add(job.lines);
        for line in lines {
            let paths = names(line).map(|name| job.path(&name));
            for path in &paths {
                mkfifo(path, Mode::from_bits_truncate(0o600))?;
            }
            let job = job.clone();
            std::thread::spawn(move || -> Result<()> {
                let [call, reply] = paths;
                // Each open waits for the other side's.
                let call = File::open(call)?;
                let reply = OpenOptions::new().write(true).open(reply)?;
                serve_one(&job, call, reply)
            });
        }
        Ok(Box::new(()))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        let lines = job.first..job.first.saturating_add(job.lines);
        let one = |line| -> Result<Box<dyn Caller>> {
            let [call, reply] = names(line).map(|name| job.path(&name));
            let call = OpenOptions::new().write(true).open(call)?;
            let reply = File::open(reply)?;
            Ok(Box::new(Connection { call, reply }))
        };
        lines.map(one).collect()
    }
}

/// Until the client has gone.
fn serve_one(job: &Job, mut call: File, mut reply: File) -> Result<()> {
    let mut data = vec![0; job.size];
    let mut scratch = Vec::new();
    loop {
        call.read_exact(&mut data)?;
        reply.write_all(job.answer(&data, &mut scratch)?)?;
    }
}

#[derive(Debug)]
struct Connection {
    call: File,
    reply: File,
}

impl Caller for Connection {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        self.call.write_all(data)?;
        results.resize(data.len(), 0);
        Ok(self.reply.read_exact(results)?)
    }
}
