//! Slices of bytes, polled by both sides.

use std::sync::mpsc::Sender;

use doors_bench::{Job, Result, Sample};
use iceoryx2::node::Node;
use iceoryx2::port;
use iceoryx2::prelude::{AllocationStrategy, ipc};
use iceoryx2::service::port_factory::request_response::PortFactory;

use super::{Ended, Found, Rest, events, name, node, poll};
use crate::bound::Client;

type Calls = PortFactory<ipc::Service, [u8], (), [u8], ()>;

/// A call that says that none comes for a while; no work has calls of this length.
const REST: &[u8] = &[0];

fn calls(node: &Node<ipc::Service>, job: &Job) -> Result<Calls> {
    let builder = node.service_builder(&name(job, "slices")?);
    let builder = builder.request_response::<[u8], [u8]>();
    Ok(builder.open_or_create()?)
}

pub(super) fn serve(job: &Job, ready: &Sender<()>, ended: &Ended) -> Result<()> {
    let node = node()?;
    let calls = calls(&node, job)?;
    let server = calls.server_builder();
    let server = server
        .initial_max_slice_len(job.size)
        .allocation_strategy(AllocationStrategy::PowerOfTwo)
        .create()?;
    let listener = events(&node, job, "calls")?.listener_builder().create()?;
    ready.send(())?;
    poll(ended, &listener, || {
        let Some(call) = server.receive()? else {
            return Ok(Found::Nothing);
        };
        // What the client reads is a copy, as with every other peer.
        let response = call.loan_slice_uninit(call.len())?;
        response.write_from_slice(&call).send()?;
        let rests = call.len() == REST.len();
        Ok(if rests { Found::Rest } else { Found::Call })
    })
}

pub(super) fn connect(job: &Job) -> Result<Box<dyn Client>> {
    let node = node()?;
    let calls = calls(&node, job)?;
    let client = calls.client_builder();
    let client = client
        .initial_max_slice_len(job.size)
        .allocation_strategy(AllocationStrategy::PowerOfTwo)
        .create()?;
    Ok(Box::new(Line {
        client,
        rest: Rest::new(&events(&node, job, "calls")?)?,
        _node: node,
    }))
}

struct Line {
    client: port::client::Client<ipc::Service, [u8], (), [u8], ()>,
    rest: Rest,
    // Last, so that the others are gone first.
    _node: Node<ipc::Service>,
}

impl Client for Line {
    fn echo(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        let request = self.client.loan_slice_uninit(data.len())?;
        let pending = request.write_from_slice(data).send()?;
        self.rest.sent()?;
        loop {
            if let Some(response) = pending.receive()? {
                results.clear();
                results.extend_from_slice(&response);
                return Ok(());
            }
            std::hint::spin_loop();
        }
    }

    fn sample(&mut self, _: &Sample) -> Result<Sample> {
        Err("these are slices of bytes".into())
    }

    fn rest(&mut self) -> Result<()> {
        if !self.rest.resting {
            self.echo(REST, &mut Vec::new())?;
            self.rest.resting = true;
        }
        Ok(())
    }
}
