//! One server in a chain of restarts, which a test leads step by step.
#![expect(
    clippy::disallowed_types,
    reason = "loom has no part in what counts here"
)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use doors::{
    Attachment, Door, DoorAttributes, Drained, Heirloom, Invocation, Options, PoolLimits, Returned,
    Unreferenced, drain, take_over,
};
use harness::raw;

/// A gate at which calls wait.
type Gate = Arc<(Mutex<bool>, Condvar)>;

/// Serves until its input ends; one command a line, one line back. Each call that is executed is one line of `log`.
pub(super) fn run(log: &str) {
    let directory = Path::new(log).parent().unwrap().to_path_buf();
    let log = OpenOptions::new().append(true).create(true).open(log);
    let mut link = Link {
        directory,
        log: Arc::new(log.unwrap()),
        gate: Gate::default(),
        doors: Vec::new(),
        secret: Arc::default(),
        notices: Arc::default(),
        attachments: Vec::new(),
        descriptors: Vec::new(),
        listener: None,
        socket: None,
        drained: None,
        heirlooms: Vec::new(),
    };
    for said in std::io::stdin().lines() {
        let said = said.unwrap();
        let words: Vec<&str> = said.split(' ').collect();
        println!("{}", link.command(&words));
    }
}

struct Link {
    directory: PathBuf,
    log: Arc<File>,
    gate: Gate,
    doors: Vec<Door>,
    secret: Arc<Mutex<Option<Door>>>,
    notices: Arc<AtomicUsize>,
    attachments: Vec<Attachment>,
    /// References that this process holds itself.
    descriptors: Vec<OwnedFd>,
    listener: Option<OwnedFd>,
    /// This side's end of the socket between two servers.
    socket: Option<OwnedFd>,
    drained: Option<Drained>,
    heirlooms: Vec<Heirloom>,
}

impl Link {
    fn command(&mut self, words: &[&str]) -> String {
        match words {
            ["create", path] => {
                let door = Door::create(self.procedure(), DoorAttributes::empty()).unwrap();
                self.attachments.push(door.attach(path, 0o600).unwrap());
                self.doors.push(door);
                "created".into()
            }
            // A door without a name, whose descriptors the first door gives to whoever calls it with `s`.
            ["create-secret"] => {
                let door = Door::create_with(self.procedure(), self.options());
                *self.secret.lock().unwrap() = Some(door.unwrap());
                "created".into()
            }
            // The same without a notice, and with a procedure whose end asks the library for something.
            ["create-curious"] => {
                let procedure = self.procedure();
                let curious = Curious(self.doors[0].clone());
                let procedure = move |call: Invocation<'_>| {
                    let _kept = &curious;
                    procedure(call)
                };
                let door = Door::create(procedure, DoorAttributes::empty());
                *self.secret.lock().unwrap() = Some(door.unwrap());
                "created".into()
            }
            ["drop-secret"] => {
                let secret = self.secret.lock().unwrap().take().unwrap();
                // Its registrations have died before its references are gone.
                while secret.info().unwrap().figures.unwrap().references > 0 {
                    std::thread::yield_now();
                }
                "dropped".into()
            }
            ["notices"] => format!("notices {}", self.notices.load(Ordering::SeqCst)),
            ["await-notice"] => {
                while self.notices.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                self.command(&["notices"])
            }
            ["ceiling", threads] => {
                doors::set_pool_limits(PoolLimits::new(1, threads.parse().unwrap())).unwrap();
                "so be it".into()
            }
            // Descriptors of the first door, which nobody uses.
            ["mint", count] => {
                let mint = || self.doors[0].descriptor();
                let minted = (0..count.parse().unwrap()).map(|_| mint());
                match minted.collect::<Result<Vec<_>, _>>() {
                    Ok(more) => {
                        self.descriptors.extend(more);
                        "minted".into()
                    }
                    Err(error) => format!("error {:?}", error.condition()),
                }
            }
            ["listen", path] => {
                self.listener = Some(raw::listen(Path::new(path)));
                "listening".into()
            }
            ["accept"] => {
                let listener = self.listener.take().unwrap();
                self.socket = Some(raw::accept(&listener));
                "accepted".into()
            }
            // The socket to the other server comes from a third process.
            ["receive"] => {
                let from = self.socket.take().unwrap();
                let mut heard = raw::receive(&from).unwrap();
                self.socket = heard.fds.pop();
                "received".into()
            }
            ["connect", path] => {
                self.socket = Some(raw::connect(Path::new(path)));
                "connected".into()
            }
            ["revoke"] => {
                self.doors[0].revoke().unwrap();
                "revoked".into()
            }
            ["detach"] => format!("{:?}", self.attachments.pop().unwrap().detach()),
            ["drop-attachments"] => {
                self.attachments.clear();
                "dropped".into()
            }
            ["release"] => {
                *self.gate.0.lock().unwrap() = true;
                self.gate.1.notify_all();
                "released".into()
            }
            _ => self.succession(words),
        }
    }

    /// What one server does to be followed by another.
    fn succession(&mut self, words: &[&str]) -> String {
        match words {
            ["drain", millis] => {
                let within = Duration::from_millis(millis.parse().unwrap());
                let drained = drain(Instant::now() + within).unwrap();
                let said = format!("unfinished {}", drained.unfinished());
                self.drained = Some(drained);
                said
            }
            ["resume"] => {
                drop(self.drained.take());
                "resumed".into()
            }
            ["hand", "over"] => {
                let drained = self.drained.take().unwrap();
                let socket = self.socket.take().unwrap();
                match drained.hand_over(socket.as_fd()) {
                    Ok(doors) => format!("handed over {doors}"),
                    Err(error) => format!("error {:?}", error.condition()),
                }
            }
            ["take", "over"] => match take_over(self.socket.take().unwrap()) {
                Ok(heirlooms) => {
                    self.heirlooms = heirlooms;
                    format!("taken over {}", self.heirlooms.len())
                }
                Err(error) => format!("error {:?}", error.condition()),
            },
            ["serve"] => {
                for heirloom in std::mem::take(&mut self.heirlooms) {
                    let served = heirloom.serve(self.procedure(), self.options());
                    self.doors.push(served.unwrap());
                }
                "serving".into()
            }
            _ => panic!("unknown command {words:?}"),
        }
    }

    fn options(&self) -> Options {
        let notices = Arc::clone(&self.notices);
        let unreferenced = Unreferenced::multi(move || {
            notices.fetch_add(1, Ordering::SeqCst);
        });
        Options {
            unreferenced: Some(unreferenced),
            ..Options::default()
        }
    }

    /// Answers with the pid and the data. A call that begins with `r` has a large answer; `s` asks for a descriptor of
    /// the secret door. `w` waits at the gate; `wm` until there is a file `go`, and then tries to pass the secret door
    /// on and to give it a name.
    fn procedure(&self) -> impl Fn(Invocation<'_>) -> Returned + Send + Sync + 'static {
        let (log, gate) = (Arc::clone(&self.log), Arc::clone(&self.gate));
        let secret = Arc::clone(&self.secret);
        let directory = self.directory.clone();
        move |call| {
            let me = std::process::id();
            let said = String::from_utf8_lossy(call.data()).into_owned();
            // One write to a file that is open for appending: lines of several processes do not mix.
            (&*log)
                .write_all(format!("{said} {me}\n").as_bytes())
                .unwrap();
            if said == "wm" {
                meddle(secret.lock().unwrap().as_ref().unwrap(), &directory);
            } else if said.starts_with('w') {
                let open = gate.0.lock().unwrap();
                drop(gate.1.wait_while(open, |open| !*open).unwrap());
            }
            let mut answer = me.to_le_bytes().to_vec();
            answer.extend_from_slice(call.data());
            if said.starts_with('r') {
                answer.resize(answer.len() + 100_000, b'.');
            }
            let mut descriptors = Vec::new();
            if said == "s" {
                let secret = secret.lock().unwrap();
                descriptors.push(secret.as_ref().unwrap().to_desc().unwrap());
            }
            call.door_return(&answer, descriptors)
        }
    }
}

/// Asks when it is dropped.
struct Curious(Door);

impl Drop for Curious {
    fn drop(&mut self) {
        self.0.info().unwrap();
        println!("asked");
    }
}

fn meddle(door: &Door, directory: &Path) {
    while !directory.join("go").exists() {
        std::thread::yield_now();
    }
    let minted = door.descriptor().map(drop);
    let attached = door.attach(directory.join("name"), 0o600).map(drop);
    for tried in [minted, attached] {
        println!("{:?}", tried.map_err(|error| error.condition().clone()));
    }
}
