//! tarpc: bincode in frames on a unix stream socket.

use std::sync::mpsc::Sender;

use doors_bench::{Caller, Job, Peer, Result, Sample, Service};
use futures::StreamExt;
use serde_bytes::ByteBuf;
use tarpc::serde_transport::unix;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context};

use crate::bound::{self, Client, block_on};
use crate::served;

pub(crate) const TARPC: Tarpc = Tarpc;

#[derive(Debug)]
pub(crate) struct Tarpc;

#[tarpc::service]
trait Mirror {
    async fn echo(data: ByteBuf) -> ByteBuf;
    async fn sample(sample: Sample) -> Sample;
}

#[derive(Clone, Debug)]
struct Server;

impl Mirror for Server {
    async fn echo(self, _: context::Context, data: ByteBuf) -> ByteBuf {
        served::hang(&data);
        data
    }

    async fn sample(self, _: context::Context, sample: Sample) -> Sample {
        sample
    }
}

impl Peer for Tarpc {
    fn name(&self) -> &'static str {
        "tarpc"
    }

    fn does(&self, job: &Job) -> bool {
        served::does(job)
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        served::serve(job, serve)
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        Ok(bound::callers(job, connect))
    }
}

async fn serve(job: Job, ready: Sender<()>) -> Result<()> {
    let mut incoming = unix::listen(job.path("tarpc"), Bincode::default).await?;
    incoming.config_mut().max_frame_length(usize::MAX);
    ready.send(())?;
    while let Some(client) = incoming.next().await {
        let calls = BaseChannel::with_defaults(client?).execute(Server.serve());
        tokio::spawn(calls.for_each(|call| async {
            tokio::spawn(call);
        }));
    }
    Ok(())
}

fn connect(job: &Job) -> Result<Box<dyn Client>> {
    let client = block_on(async {
        let mut transport = unix::connect(job.path("tarpc"), Bincode::default);
        transport.config_mut().max_frame_length(usize::MAX);
        let client = MirrorClient::new(client::Config::default(), transport.await?).spawn();
        Result::Ok(client)
    });
    Ok(Box::new(Connection(client?)))
}

struct Connection(MirrorClient);

impl Client for Connection {
    fn echo(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        let data = ByteBuf::from(data);
        *results = block_on(self.0.echo(context::current(), data))?.into_vec();
        Ok(())
    }

    fn sample(&mut self, sample: &Sample) -> Result<Sample> {
        Ok(block_on(self.0.sample(context::current(), sample.clone()))?)
    }
}
