//! iceoryx2: request-response through shared memory, polled by both sides, or with an event for each message.

mod event;
mod flat;
mod slices;

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use doors_bench::{Caller, Job, Kind, Pace, Peer, Result, Service};
use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::{LogLevel, ServiceName, ipc, set_log_level};
use iceoryx2::service::port_factory::event::PortFactory;

use crate::bound::{self, Client};

/// Both sides poll.
pub(crate) const ICEORYX: Iceoryx = Iceoryx(Waiting::Poll);

/// Each message comes with an event, for which the other side sleeps.
pub(crate) const ICEORYX_EVENT: Iceoryx = Iceoryx(Waiting::Event);

#[derive(Debug)]
pub(crate) struct Iceoryx(Waiting);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Poll,
    Event,
}

type Events = PortFactory<ipc::Service>;

/// A server that rests looks so often whether it shall end.
const WAIT: Duration = Duration::from_millis(50);

impl Peer for Iceoryx {
    fn name(&self) -> &'static str {
        match self.0 {
            Waiting::Poll => doors_bench::limits::FAR,
            Waiting::Event => "iceoryx2 event",
        }
    }

    fn does(&self, job: &Job) -> bool {
        match (self.0, job.kind) {
            // More polling threads than processors measure the scheduler.
            (Waiting::Poll, Kind::Echo | Kind::Struct) => {
                job.lines == 1 && job.pace != Pace::Connect
            }
            (Waiting::Event, Kind::Echo) => true,
            _ => false,
        }
    }

    fn spins(&self) -> bool {
        self.0 == Waiting::Poll
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        let serve = match (self.0, job.kind) {
            (Waiting::Event, _) => event::serve,
            (Waiting::Poll, Kind::Struct) => flat::serve,
            (Waiting::Poll, _) => slices::serve,
        };
        let (ready, is_ready) = channel();
        let (end, ended) = channel::<()>();
        let serving = job.clone();
        let thread = thread::spawn(move || {
            if let Err(error) = serve(&serving, &ready, &Ended(ended)) {
                eprintln!("iceoryx2 server: {error}");
            }
        });
        is_ready
            .recv()
            .map_err(|_| "iceoryx2 cannot be served here")?;
        Ok(Box::new(Serving {
            job: job.clone(),
            end: Some(end),
            thread: Some(thread),
        }))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        let connect: fn(&Job) -> Result<Box<dyn Client>> = match (self.0, job.kind) {
            (Waiting::Event, _) => event::connect,
            (Waiting::Poll, Kind::Struct) => flat::connect,
            (Waiting::Poll, _) => slices::connect,
        };
        Ok(bound::callers(job, connect))
    }
}

/// The serving thread, which puts its files away when it ends.
#[derive(Debug)]
struct Serving {
    job: Job,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.end.take());
        // It may sleep until a call comes. Without the event it notices later, and with its process at the latest.
        let _woken = wake(&self.job);
        // What went wrong in it was said.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

fn wake(job: &Job) -> Result<()> {
    let node = node()?;
    let notifier = events(&node, job, "calls")?.notifier_builder().create()?;
    notifier.notify()?;
    Ok(())
}

/// Tells whether the server shall end.
struct Ended(Receiver<()>);

impl Ended {
    fn is_so(&self) -> bool {
        self.0.try_recv() != Err(TryRecvError::Empty)
    }
}

fn node() -> Result<Node<ipc::Service>> {
    set_log_level(LogLevel::Error);
    Ok(NodeBuilder::new().create::<ipc::Service>()?)
}

fn name(job: &Job, what: &str) -> Result<ServiceName> {
    let place = job.place.to_string_lossy();
    Ok(ServiceName::new(&format!("doors-bench{place}/{what}"))?)
}

/// Clients, nodes and ports that a service must have room for: all lines of the job, the server, and whoever wakes it.
fn room(job: &Job) -> usize {
    job.lines.saturating_add(4)
}

/// The events of that name.
fn events(node: &Node<ipc::Service>, job: &Job, what: &str) -> Result<Events> {
    let builder = node.service_builder(&name(job, what)?).event();
    Ok(builder.open_or_create()?)
}

/// Looks until there is a call or the server shall end. A call after which none comes for a while says so, and the
/// server sleeps until it is woken for the next.
fn poll(
    ended: &Ended,
    calls: &Listener<ipc::Service>,
    mut next: impl FnMut() -> Result<Found>,
) -> Result<()> {
    let mut idle = 0_u32;
    loop {
        match next()? {
            Found::Nothing => {
                std::hint::spin_loop();
                idle = idle.wrapping_add(1);
                if idle.is_multiple_of(1 << 16) && ended.is_so() {
                    return Ok(());
                }
            }
            Found::Call => {}
            Found::Rest => {
                let mut woken = false;
                while !woken {
                    calls.timed_wait(|_| woken = true, WAIT)?;
                    if ended.is_so() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// What a look for a call has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Call,
    Rest,
}

/// What a polling client knows about its server.
struct Rest {
    calls: Notifier<ipc::Service>,
    /// The server sleeps.
    resting: bool,
}

impl Rest {
    fn new(events: &Events) -> Result<Self> {
        Ok(Self {
            calls: events.notifier_builder().create()?,
            resting: false,
        })
    }

    /// A call was sent to a server that may sleep.
    fn sent(&mut self) -> Result<()> {
        if std::mem::take(&mut self.resting) {
            self.calls.notify()?;
        }
        Ok(())
    }
}
