//! capnp-rpc: Cap'n Proto on a unix stream socket. Its generated code is `peers_capnp.rs`, made from `peers.capnp` by
//! `capnp compile -orust peers.capnp`.

use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, new_client, twoparty};
use doors_bench::{Caller, Job, Peer, Result, Sample, Service};
use futures::AsyncReadExt;
use futures::io::{BufReader, BufWriter};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::bound::{self, Client, block_on};
use crate::peers_capnp::mirror;
use crate::served;

pub(crate) const CAPNP: Capnp = Capnp;

#[derive(Debug)]
pub(crate) struct Capnp;

/// Messages may have any length.
const OPTIONS: ReaderOptions = ReaderOptions {
    traversal_limit_in_words: None,
    nesting_limit: 64,
};

struct Mirror;

impl mirror::Server for Mirror {
    async fn echo(
        self: Rc<Self>,
        call: mirror::EchoParams,
        mut answer: mirror::EchoResults,
    ) -> std::result::Result<(), capnp::Error> {
        let data = call.get()?.get_data()?;
        served::hang(data);
        answer.get().set_data(data);
        Ok(())
    }

    async fn sample(
        self: Rc<Self>,
        call: mirror::SampleParams,
        mut answer: mirror::SampleResults,
    ) -> std::result::Result<(), capnp::Error> {
        answer.get().set_sample(call.get()?.get_sample()?)
    }
}

impl Peer for Capnp {
    fn name(&self) -> &'static str {
        "capnp-rpc"
    }

    fn does(&self, job: &Job) -> bool {
        served::does(job)
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        let (ready, is_ready) = channel();
        let job = job.clone();
        // Its objects cannot leave a thread.
        thread::spawn(move || {
            if let Err(error) = serve(&job, &ready) {
                eprintln!("{error}");
            }
        });
        is_ready.recv()?;
        Ok(Box::new(()))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        Ok(bound::callers(job, connect))
    }
}

fn network(
    stream: UnixStream,
    side: Side,
) -> twoparty::VatNetwork<impl futures::AsyncRead + Unpin> {
    let (reader, writer) = stream.compat().split();
    let (reader, writer) = (BufReader::new(reader), BufWriter::new(writer));
    twoparty::VatNetwork::new(reader, writer, side, OPTIONS)
}

fn serve(job: &Job, ready: &Sender<()>) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let listener = UnixListener::bind(job.path("capnp"))?;
        ready.send(())?;
        let mirror: mirror::Client = new_client(Mirror);
        loop {
            let (client, _) = listener.accept().await?;
            let network = Box::new(network(client, Side::Server));
            spawn_local(RpcSystem::new(network, Some(mirror.clone().client)));
        }
    })
}

fn connect(job: &Job) -> Result<Box<dyn Client>> {
    let local = LocalSet::new();
    let client = block_on(local.run_until(async {
        let stream = UnixStream::connect(job.path("capnp")).await?;
        let mut system = RpcSystem::new(Box::new(network(stream, Side::Client)), None);
        let client: mirror::Client = system.bootstrap(Side::Server);
        spawn_local(system);
        Result::Ok(client)
    }))?;
    Ok(Box::new(Line { client, local }))
}

struct Line {
    client: mirror::Client,
    /// What moves the messages.
    local: LocalSet,
}

impl Client for Line {
    fn echo(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        let mut call = self.client.echo_request();
        call.get().set_data(data);
        let answer = block_on(self.local.run_until(call.send().promise))?;
        results.clear();
        results.extend_from_slice(answer.get()?.get_data()?);
        Ok(())
    }

    fn sample(&mut self, sample: &Sample) -> Result<Sample> {
        let mut call = self.client.sample_request();
        let mut fields = call.get().init_sample();
        fields.set_id(sample.id);
        fields.set_name(sample.name.as_str());
        fields.set_values(sample.values.as_slice())?;
        let answer = block_on(self.local.run_until(call.send().promise))?;
        let fields = answer.get()?.get_sample()?;
        Ok(Sample {
            id: fields.get_id(),
            name: fields.get_name()?.to_str()?.to_owned(),
            values: fields.get_values()?.iter().collect(),
        })
    }
}
