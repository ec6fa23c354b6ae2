//! tonic: gRPC on a unix stream socket. What its generator would make of a file of messages is written out here: two
//! messages, two paths.

use std::convert::Infallible;
use std::sync::mpsc::Sender;

use doors_bench::{Caller, Job, Peer, Result, Sample, Service};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::http::{self, Uri};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::bound::{self, Client, block_on};
use crate::served;

pub(crate) const TONIC: Tonic = Tonic;

#[derive(Debug)]
pub(crate) struct Tonic;

const ECHO: &str = "/bench.Mirror/Echo";
const SAMPLE: &str = "/bench.Mirror/Sample";

#[derive(Clone, PartialEq, Message)]
struct Data {
    #[prost(bytes = "vec", tag = "1")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Fields {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint64, repeated, tag = "3")]
    values: Vec<u64>,
}

impl Peer for Tonic {
    fn name(&self) -> &'static str {
        "tonic"
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

/// The answer to a call of a procedure that gives back what it gets, after a look at it.
async fn mirror<M>(call: http::Request<Body>, look: fn(&M)) -> http::Response<Body>
where
    M: Message + Default + Send + Sync + 'static,
{
    let procedure = service_fn(async |call: Request<M>| -> std::result::Result<_, Status> {
        let message = call.into_inner();
        look(&message);
        Ok(Response::new(message))
    });
    let codec = ProstCodec::<M, M>::default();
    let server = tonic::server::Grpc::new(codec);
    let mut server = server.max_decoding_message_size(usize::MAX);
    server.unary(procedure, call).await
}

async fn serve(job: Job, ready: Sender<()>) -> Result<()> {
    let listener = UnixListener::bind(job.path("tonic"))?;
    ready.send(())?;
    let procedures = service_fn(|call: http::Request<Body>| async {
        let answer = match call.uri().path() {
            ECHO => mirror(call, |data: &Data| served::hang(&data.data)).await,
            SAMPLE => mirror(call, |_: &Fields| ()).await,
            _ => Status::unimplemented("no such procedure").into_http(),
        };
        Ok::<_, Infallible>(answer)
    });
    let clients = UnixListenerStream::new(listener);
    let served = Server::builder().serve_with_incoming(procedures, clients);
    Ok(served.await?)
}

fn connect(job: &Job) -> Result<Box<dyn Client>> {
    let path = job.path("tonic");
    let connector = service_fn(move |_: Uri| {
        let path = path.clone();
        async move { Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
    });
    // The address is not looked at by this connector.
    let endpoint = Endpoint::from_static("http://local");
    let channel = block_on(endpoint.connect_with_connector(connector))?;
    let client = Grpc::new(channel).max_decoding_message_size(usize::MAX);
    Ok(Box::new(Line(client)))
}

struct Line(Grpc<Channel>);

impl Line {
    fn call<M>(&mut self, path: &'static str, message: M) -> Result<M>
    where
        M: Message + Default + Send + Sync + 'static,
    {
        let client = &mut self.0;
        block_on(async {
            client.ready().await?;
            let path = PathAndQuery::from_static(path);
            let codec = ProstCodec::<M, M>::default();
            let answer = client.unary(Request::new(message), path, codec).await?;
            Ok(answer.into_inner())
        })
    }
}

impl Client for Line {
    fn echo(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        let data = data.to_vec();
        *results = self.call(ECHO, Data { data })?.data;
        Ok(())
    }

    fn sample(&mut self, sample: &Sample) -> Result<Sample> {
        let Sample { id, name, values } = sample.clone();
        let Fields { id, name, values } = self.call(SAMPLE, Fields { id, name, values })?;
        Ok(Sample { id, name, values })
    }
}
