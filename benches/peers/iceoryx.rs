//! iceoryx2: slices through request-response, polled by both sides.

use std::cell::RefCell;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use doors_bench::{Caller, Job, Kind, Pace, Peer, Result, Service};
use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::port;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::{AllocationStrategy, LogLevel, ServiceName, ipc, set_log_level};
use iceoryx2::service::port_factory::event::PortFactory as EventFactory;
use iceoryx2::service::port_factory::request_response::PortFactory as CallFactory;

pub(crate) const ICEORYX: Iceoryx = Iceoryx;

#[derive(Debug)]
pub(crate) struct Iceoryx;

type Calls = CallFactory<ipc::Service, [u8], (), [u8], ()>;
type Events = EventFactory<ipc::Service>;

/// A call that says that none comes for a while; no work has calls of this length.
const REST: &[u8] = &[0];

/// A server that rests looks so often whether it shall end.
const WAIT: Duration = Duration::from_millis(50);

impl Peer for Iceoryx {
    fn name(&self) -> &'static str {
        doors_bench::limits::FAR
    }

    fn does(&self, job: &Job) -> bool {
        job.kind == Kind::Echo && job.pace != Pace::Connect && job.lines == 1
    }

    fn spins(&self) -> bool {
        true
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        let (ready, is_ready) = channel();
        let (end, ended) = channel::<()>();
        let job = job.clone();
        let thread = thread::spawn(move || {
            if let Err(error) = poll(&job, &ready, &ended) {
                eprintln!("iceoryx2 server: {error}");
            }
        });
        is_ready
            .recv()
            .map_err(|_| "iceoryx2 cannot be served here")?;
        Ok(Box::new(Serving {
            end: Some(end),
            thread: Some(thread),
        }))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        Ok(vec![Box::new(Line {
            job: job.clone(),
            resting: false,
        })])
    }
}

/// The polling thread, which puts its files away when it ends.
#[derive(Debug)]
struct Serving {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.end.take());
        // What went wrong in it was said.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// Serves until the other end of `ended` is gone.
fn poll(job: &Job, ready: &Sender<()>, ended: &Receiver<()>) -> Result<()> {
    let ports = Ports::new(job)?;
    let server = ports.calls.server_builder();
    let server = server
        .initial_max_slice_len(job.size)
        .allocation_strategy(AllocationStrategy::PowerOfTwo)
        .create()?;
    let listener = ports.events.listener_builder().create()?;
    ready.send(())?;
    let goes_on = || ended.try_recv() == Err(TryRecvError::Empty);
    let mut idle = 0_u32;
    loop {
        let Some(call) = server.receive()? else {
            std::hint::spin_loop();
            idle = idle.wrapping_add(1);
            if idle.is_multiple_of(1 << 16) && !goes_on() {
                return Ok(());
            }
            continue;
        };
        // What the client reads is a copy, as with every other peer.
        let response = call.loan_slice_uninit(call.len())?;
        response.write_from_slice(&call).send()?;
        let rests = call.len() == REST.len();
        drop(call);
        let mut woken = !rests;
        while !woken {
            listener.timed_wait(|_| woken = true, WAIT)?;
            if !goes_on() {
                return Ok(());
            }
        }
    }
}

/// What both sides open.
struct Ports {
    // Last, so that the others are gone first.
    calls: Calls,
    events: Events,
    _node: Node<ipc::Service>,
}

impl Ports {
    fn new(job: &Job) -> Result<Self> {
        set_log_level(LogLevel::Error);
        let node = NodeBuilder::new().create::<ipc::Service>()?;
        let place = job.place.to_string_lossy();
        let name = |what: &str| ServiceName::new(&format!("doors-bench{place}/{what}"));
        let calls = node.service_builder(&name("calls")?);
        let calls = calls.request_response::<[u8], [u8]>().open_or_create()?;
        let events = node.service_builder(&name("events")?);
        let events = events.event().open_or_create()?;
        Ok(Self {
            calls,
            events,
            _node: node,
        })
    }
}

/// A client's own.
struct Client {
    calls: port::client::Client<ipc::Service, [u8], (), [u8], ()>,
    notifier: Notifier<ipc::Service>,
    _ports: Ports,
}

impl Client {
    fn new(job: &Job) -> Result<Self> {
        let ports = Ports::new(job)?;
        let client = ports.calls.client_builder();
        let client = client
            .initial_max_slice_len(job.size)
            .allocation_strategy(AllocationStrategy::PowerOfTwo)
            .create()?;
        let notifier = ports.events.notifier_builder().create()?;
        Ok(Self {
            calls: client,
            notifier,
            _ports: ports,
        })
    }

    fn call(&self, data: &[u8], results: &mut Vec<u8>, resting: bool) -> Result<()> {
        let request = self.calls.loan_slice_uninit(data.len())?;
        let pending = request.write_from_slice(data).send()?;
        if resting {
            self.notifier.notify()?;
        }
        loop {
            if let Some(response) = pending.receive()? {
                results.clear();
                results.extend_from_slice(&response);
                return Ok(());
            }
            std::hint::spin_loop();
        }
    }
}

thread_local! {
    /// The ports of a thread: they cannot be sent to another, so they are made where they are used.
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
}

#[derive(Debug)]
struct Line {
    job: Job,
    /// The server sleeps.
    resting: bool,
}

impl Caller for Line {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        CLIENT.with_borrow_mut(|client| {
            let client = match client {
                Some(client) => client,
                None => client.insert(Client::new(&self.job)?),
            };
            client.call(data, results, std::mem::take(&mut self.resting))
        })
    }

    fn rest(&mut self) -> Result<()> {
        if !self.resting {
            self.call(REST, &mut Vec::new())?;
            self.resting = true;
        }
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The files go with the ports.
        let _gone = CLIENT.try_with(RefCell::take);
    }
}
