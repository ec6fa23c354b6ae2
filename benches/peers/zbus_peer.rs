//! zbus: D-Bus messages on a unix stream socket, without a bus between.

use std::os::fd::{self, AsFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;

use doors_bench::{Caller, Job, Kind, Peer, Result, Sample, Service};
use serde_bytes::{ByteBuf, Bytes};
use tokio::net::UnixListener;
use zbus::connection::Builder;
use zbus::{Connection, Fd, Guid, Message, OwnedFd};

use crate::bound::{self, Client, block_on};
use crate::served;

pub(crate) const ZBUS: Zbus = Zbus;

#[derive(Debug)]
pub(crate) struct Zbus;

const PATH: &str = "/mirror";
const INTERFACE: &str = "bench.Mirror1";

/// The structure as D-Bus has it.
type Fields = (u64, String, Vec<u64>);

struct Mirror;

#[expect(
    clippy::unused_self,
    reason = "a procedure of an interface has its object"
)]
#[zbus::interface(name = "bench.Mirror1")]
impl Mirror {
    fn echo(&self, data: ByteBuf) -> ByteBuf {
        served::hang(&data);
        data
    }

    /// The descriptors are closed.
    fn give(&self, data: ByteBuf, given: Vec<OwnedFd>) -> ByteBuf {
        drop(given);
        data
    }

    fn sample(&self, sample: Fields) -> (Fields,) {
        (sample,)
    }
}

impl Peer for Zbus {
    fn name(&self) -> &'static str {
        "zbus"
    }

    fn does(&self, job: &Job) -> bool {
        served::does(job) || matches!(job.kind, Kind::Descriptors(_))
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        served::serve(job, serve)
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        Ok(bound::callers(job, connect))
    }
}

async fn serve(job: Job, ready: Sender<()>) -> Result<()> {
    let listener = UnixListener::bind(job.path("zbus"))?;
    ready.send(())?;
    loop {
        let (client, _) = listener.accept().await?;
        let client = client.into_std()?;
        tokio::spawn(async move {
            let builder = Builder::unix_stream(client).server(Guid::generate()).p2p();
            // A client that goes away while it is greeted is no matter of the others.
            if let Ok(connection) = builder.serve_at(PATH, Mirror).build().await {
                // It serves as long as somebody holds it.
                connection.closed().await;
            }
        });
    }
}

fn connect(job: &Job) -> Result<Box<dyn Client>> {
    let stream = UnixStream::connect(job.path("zbus"))?;
    let connection = block_on(Builder::unix_stream(stream).p2p().build())?;
    Ok(Box::new(Line(connection)))
}

struct Line(Connection);

impl Line {
    fn call<B>(&self, procedure: &str, body: &B) -> Result<Message>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        let reply = self
            .0
            .call_method(None::<&str>, PATH, Some(INTERFACE), procedure, body);
        Ok(block_on(reply)?)
    }
}

impl Client for Line {
    fn echo(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        let reply = self.call("Echo", &Bytes::new(data))?;
        results.clear();
        results.extend_from_slice(reply.body().deserialize::<&Bytes>()?);
        Ok(())
    }

    fn give(&mut self, data: &[u8], given: &[fd::OwnedFd], results: &mut Vec<u8>) -> Result<()> {
        let given: Vec<Fd<'_>> = given.iter().map(|one| Fd::from(one.as_fd())).collect();
        let reply = self.call("Give", &(Bytes::new(data), given))?;
        results.clear();
        results.extend_from_slice(reply.body().deserialize::<&Bytes>()?);
        Ok(())
    }

    fn sample(&mut self, sample: &Sample) -> Result<Sample> {
        let fields = (sample.id, sample.name.as_str(), &sample.values);
        let reply = self.call("Sample", &(fields,))?;
        let (id, name, values): Fields = reply.body().deserialize()?;
        Ok(Sample { id, name, values })
    }
}
