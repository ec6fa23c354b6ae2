//! ipc-channel: a channel each way, made by the client and sent to the server.

use std::fs;
use std::thread;

use doors_bench::{Caller, Job, Kind, Peer, Result, Service};
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
        matches!(job.kind, Kind::Echo | Kind::Struct | Kind::Hang)
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        for line in lines(job) {
            let mut server = announce(job, line)?;
            let job = job.clone();
            thread::spawn(move || -> Result<()> {
                loop {
                    let (_, ends) = server.accept()?;
                    // One client only comes to each such server: the next is there before anything is answered.
                    server = announce(&job, line)?;
                    serve_one(&job, &ends);
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

/// A server, with its name where clients look for it.
fn announce(job: &Job, line: usize) -> Result<IpcOneShotServer<Ends>> {
    let (server, path) = IpcOneShotServer::new()?;
    let place = job.path(&name(line));
    let draft = job.path(&format!("{}.draft", name(line)));
    fs::write(&draft, path)?;
    fs::rename(draft, place)?;
    Ok(server)
}

/// Until the client has gone.
fn serve_one(job: &Job, (calls, replies): &Ends) {
    let mut scratch = Vec::new();
    while let Ok(data) = calls.recv() {
        let Ok(results) = job.answer(&data, &mut scratch) else {
            return;
        };
        if replies.send(results).is_err() {
            return;
        }
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
