//! The structure, which lies in shared memory as it is, polled by both sides.

use std::sync::mpsc::Sender;

use doors_bench::{Job, Result, Sample};
use iceoryx2::node::Node;
use iceoryx2::port;
use iceoryx2::prelude::{ZeroCopySend, ipc};
use iceoryx2::service::port_factory::request_response::PortFactory;

use super::{Ended, Found, Rest, events, name, node, poll};
use crate::bound::Client;

/// The structure without anything that lies elsewhere.
#[derive(Clone, Copy, Debug, ZeroCopySend)]
#[repr(C)]
struct Flat {
    id: u64,
    name: [u8; 20],
    values: [u64; 100],
}

type Calls = PortFactory<ipc::Service, Flat, (), Flat, ()>;

/// The number of a call that says that none comes for a while.
const REST: u64 = u64::MAX;

fn calls(node: &Node<ipc::Service>, job: &Job) -> Result<Calls> {
    let builder = node.service_builder(&name(job, "structures")?);
    let builder = builder.request_response::<Flat, Flat>();
    Ok(builder.open_or_create()?)
}

pub(super) fn serve(job: &Job, ready: &Sender<()>, ended: &Ended) -> Result<()> {
    let node = node()?;
    let server = calls(&node, job)?.server_builder().create()?;
    let listener = events(&node, job, "calls")?.listener_builder().create()?;
    ready.send(())?;
    poll(ended, &listener, || {
        let Some(call) = server.receive()? else {
            return Ok(Found::Nothing);
        };
        call.send_copy(*call)?;
        let rests = call.id == REST;
        Ok(if rests { Found::Rest } else { Found::Call })
    })
}

pub(super) fn connect(job: &Job) -> Result<Box<dyn Client>> {
    let node = node()?;
    let client = calls(&node, job)?.client_builder().create()?;
    Ok(Box::new(Line {
        client,
        rest: Rest::new(&events(&node, job, "calls")?)?,
        _node: node,
    }))
}

struct Line {
    client: port::client::Client<ipc::Service, Flat, (), Flat, ()>,
    rest: Rest,
    // Last, so that the others are gone first.
    _node: Node<ipc::Service>,
}

impl Line {
    fn call(&mut self, flat: &Flat) -> Result<Flat> {
        let pending = self.client.send_copy(*flat)?;
        self.rest.sent()?;
        loop {
            if let Some(response) = pending.receive()? {
                return Ok(*response);
            }
            std::hint::spin_loop();
        }
    }
}

impl Client for Line {
    fn echo(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<()> {
        Err("these are structures".into())
    }

    fn sample(&mut self, sample: &Sample) -> Result<Sample> {
        let flat = self.call(&Flat {
            id: sample.id,
            name: sample.name.as_bytes().try_into()?,
            values: sample.values.as_slice().try_into()?,
        })?;
        Ok(Sample {
            id: flat.id,
            name: str::from_utf8(&flat.name)?.to_owned(),
            values: flat.values.to_vec(),
        })
    }

    fn rest(&mut self) -> Result<()> {
        if !self.rest.resting {
            self.call(&Flat {
                id: REST,
                name: [0; 20],
                values: [0; 100],
            })?;
            self.rest.resting = true;
        }
        Ok(())
    }
}
