//! Slices of bytes, with an event for each message: nobody polls.
#![expect(
    clippy::disallowed_types,
    reason = "no loom here, the clients of a process are counted"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Sender;

use doors_bench::{Job, Pace, Result, Sample};
use iceoryx2::node::Node;
use iceoryx2::port;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::{AllocationStrategy, ipc};
use iceoryx2::service::port_factory::request_response::PortFactory;

use super::{Ended, Events, events, name, node, room};
use crate::bound::Client;

/// Each call says whose it is.
type Calls = PortFactory<ipc::Service, [u8], u64, [u8], ()>;

pub(super) fn serve(job: &Job, ready: &Sender<()>, ended: &Ended) -> Result<()> {
    let node = node()?;
    let room = room(job);
    let calls = node.service_builder(&name(job, "slices")?);
    let calls: Calls = calls
        .request_response::<[u8], [u8]>()
        .request_user_header::<u64>()
        .max_clients(room)
        .max_nodes(room)
        .create()?;
    let told = node.service_builder(&name(job, "calls")?).event();
    let told: Events = told.max_notifiers(room).max_nodes(room).create()?;
    let server = calls.server_builder();
    let server = server
        .initial_max_slice_len(job.size)
        .allocation_strategy(AllocationStrategy::PowerOfTwo)
        .create()?;
    let listener = told.listener_builder().create()?;
    ready.send(())?;
    let mut clients: HashMap<u64, Notifier<ipc::Service>> = HashMap::new();
    while !ended.is_so() {
        listener.blocking_wait(|_| ())?;
        while let Some(call) = server.receive()? {
            // What the client reads is a copy, as with every other peer.
            let response = call.loan_slice_uninit(call.len())?;
            response.write_from_slice(&call).send()?;
            let client = *call.user_header();
            drop(call);
            if let Some(notifier) = clients.get(&client) {
                notifier.notify()?;
            } else {
                let notifier = answers(&node, job, client)?.notifier_builder().create()?;
                notifier.notify()?;
                // One that calls once only is not kept.
                if job.pace != Pace::Connect {
                    clients.insert(client, notifier);
                }
            }
        }
    }
    Ok(())
}

/// The events of one client, which tell that there is an answer.
fn answers(node: &Node<ipc::Service>, job: &Job, client: u64) -> Result<Events> {
    events(node, job, &format!("answers-{client}"))
}

pub(super) fn connect(job: &Job) -> Result<Box<dyn Client>> {
    static CLIENTS: AtomicU32 = AtomicU32::new(0);
    let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
    let number = u64::from(std::process::id()) << u32::BITS | u64::from(number);
    let node = node()?;
    let calls = node.service_builder(&name(job, "slices")?);
    let calls: Calls = calls
        .request_response::<[u8], [u8]>()
        .request_user_header::<u64>()
        .open()?;
    let client = calls.client_builder();
    let client = client
        .initial_max_slice_len(job.size)
        .allocation_strategy(AllocationStrategy::PowerOfTwo)
        .create()?;
    Ok(Box::new(Line {
        number,
        client,
        calls: events(&node, job, "calls")?.notifier_builder().create()?,
        answers: answers(&node, job, number)?.listener_builder().create()?,
        _node: node,
    }))
}

struct Line {
    number: u64,
    client: port::client::Client<ipc::Service, [u8], u64, [u8], ()>,
    calls: Notifier<ipc::Service>,
    answers: Listener<ipc::Service>,
    // Last, so that the others are gone first.
    _node: Node<ipc::Service>,
}

impl Client for Line {
    fn echo(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        let mut request = self.client.loan_slice_uninit(data.len())?;
        *request.user_header_mut() = self.number;
        let pending = request.write_from_slice(data).send()?;
        self.calls.notify()?;
        loop {
            self.answers.blocking_wait(|_| ())?;
            if let Some(response) = pending.receive()? {
                results.clear();
                results.extend_from_slice(&response);
                return Ok(());
            }
        }
    }

    fn sample(&mut self, _: &Sample) -> Result<Sample> {
        Err("these are slices of bytes".into())
    }
}
