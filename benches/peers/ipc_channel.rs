//! ipc-channel: a channel each way, made by the client and sent to the server.

use std::fs;
use std::thread;

use doors_bench::{Caller, Job, Kind, Pace, Peer, Result, Service};
use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel,
};

pub(crate) const IPC_CHANNEL: IpcChannel = IpcChannel;

#[derive(Debug)]
pub(crate) struct IpcChannel;

/// What a client sends first: where calls come from, where answers go.
type Ends = (IpcBytesReceiver, IpcBytesSender);

/// The file with the name of a line's server.
fn name(line: usize) -> String {
    format!("ipc-channel.{line}")
}

fn lines(job: &Job) -> std::ops::Range<usize> {
    job.first..job.first.saturating_add(job.lines)
}

impl Peer for IpcChannel {
    fn name(&self) -> &'static str {
        "ipc-channel"
    }

    fn does(&self, job: &Job) -> bool {
        matches!(job.kind, Kind::Echo | Kind::Struct) && job.pace != Pace::Connect
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        for line in lines(job) {
            let (server, path) = IpcOneShotServer::<Ends>::new()?;
            fs::write(job.path(&name(line)), path)?;
            let job = job.clone();
            thread::spawn(move || -> Result<()> {
                let (_, (calls, replies)) = server.accept()?;
                let mut scratch = Vec::new();
                loop {
                    let data = calls.recv()?;
                    replies.send(job.answer(&data, &mut scratch)?)?;
                }
            });
        }
        Ok(Box::new(()))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        let one = |line| -> Result<Box<dyn Caller>> {
            let server = IpcSender::<Ends>::connect(fs::read_to_string(job.path(&name(line)))?)?;
            let (calls, their_calls) = bytes_channel()?;
            let (their_replies, replies) = bytes_channel()?;
            server.send((their_calls, their_replies))?;
            Ok(Box::new(Line { calls, replies }))
        };
        lines(job).map(one).collect()
    }
}

#[derive(Debug)]
struct Line {
    calls: IpcBytesSender,
    replies: IpcBytesReceiver,
}

impl Caller for Line {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        self.calls.send(data)?;
        *results = self.replies.recv()?;
        Ok(())
    }
}
