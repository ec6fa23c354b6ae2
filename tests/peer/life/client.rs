//! A client with as many doors as it is told to open.
#![expect(unsafe_code, reason = "a client that forks is under test")]

use std::collections::HashMap;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use doors::Door;
use nix::sys::socket::{ControlMessage, MsgFlags, Shutdown, sendmsg, shutdown};
use nix::unistd::{ForkResult, fork, pause};

use super::server::said_by_child;
use super::{board, interpret, ticks};

/// Calls until its input ends.
pub(super) fn run() {
    let mut client = Client::default();
    interpret(|words| client.command(words));
}

/// Becomes another program, which says what it has inherited.
pub(super) fn exec() -> ! {
    let program = std::env::current_exe().unwrap();
    let error = std::process::Command::new(program)
        .arg("life-after-exec")
        .exec();
    panic!("exec: {error}")
}

/// Says which descriptors came through an exec.
pub(super) fn after_exec() {
    // Whoever started the test may have left files open: what doors are made of is looked for.
    let ours = ["socket:", "anon_inode:", "/memfd:"];
    let open: Vec<_> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|link| {
            ours.iter()
                .any(|kind| link.to_string_lossy().starts_with(kind))
        })
        .collect();
    println!("{open:?}");
    std::io::stdin().lines().for_each(drop);
}

#[derive(Default)]
struct Client {
    doors: HashMap<String, Door>,
    raw: HashMap<String, OwnedFd>,
    calls: HashMap<String, JoinHandle<String>>,
    parked: Vec<UnixStream>,
}

impl Client {
    fn command(&mut self, words: &[&str]) -> String {
        match words {
            ["become", uid] => super::become_user(uid),
            ["open", name, path] => match Door::open(path) {
                Ok(door) => {
                    self.doors.insert((*name).to_owned(), door);
                    "open".into()
                }
                Err(error) => format!("error {:?}", error.condition()),
            },
            // Asks one door for the subject, and keeps the bare descriptor.
            ["take", name, from] => match self.doors[*from].call(b"d", vec![]) {
                Ok(mut reply) => {
                    let descriptor = reply.descriptors.pop().unwrap();
                    self.raw.insert((*name).to_owned(), descriptor);
                    "taken".into()
                }
                Err(error) => format!("error {error:?}"),
            },
            ["dup", name, copy] => {
                let descriptor = self.raw[*name].try_clone().unwrap();
                self.raw.insert((*copy).to_owned(), descriptor);
                "copied".into()
            }
            ["remint", name, fresh] => match self.doors[*name].descriptor() {
                Ok(descriptor) => {
                    self.raw.insert((*fresh).to_owned(), descriptor);
                    "minted".into()
                }
                Err(error) => format!("error {:?}", error.condition()),
            },
            ["door", name] => {
                let descriptor = self.raw.remove(*name).unwrap();
                self.doors.insert(
                    (*name).to_owned(),
                    Door::from_descriptor(descriptor).unwrap(),
                );
                "a door".into()
            }
            ["close", name] => {
                let raw = self.raw.remove(*name).is_some();
                let door = self.doors.remove(*name).is_some();
                assert!(raw || door, "{name} is not open");
                "closed".into()
            }
            ["shutdown", name] => {
                shutdown(self.raw[*name].as_raw_fd(), Shutdown::Both).unwrap();
                "shut down".into()
            }
            // Leaves a copy in the unread socket of whoever listens there.
            ["park", name, path] => {
                let stream = UnixStream::connect(path).unwrap();
                let numbers = [self.raw[*name].as_raw_fd()];
                let rights = [ControlMessage::ScmRights(&numbers)];
                let data = [IoSlice::new(b"x")];
                sendmsg::<()>(stream.as_raw_fd(), &data, &rights, MsgFlags::empty(), None).unwrap();
                self.parked.push(stream);
                "parked".into()
            }
            _ => self.calling(words),
        }
    }

    fn calling(&mut self, words: &[&str]) -> String {
        match words {
            ["call", name, data] => call(&self.doors[*name], data, None),
            ["call-within", name, data, millis] => {
                let millis = Duration::from_millis(millis.parse().unwrap());
                call(&self.doors[*name], data, Some(Instant::now() + millis))
            }
            ["tick"] => {
                ticks::start();
                "ticking".into()
            }
            // A call, and what became of the signals and the deadline meanwhile.
            ["call-ticking", name, data, millis] => {
                let millis = Duration::from_millis(millis.parse().unwrap());
                let (until, before) = (Instant::now() + millis, ticks::count());
                let said = call(&self.doors[*name], data, Some(until));
                let late = Instant::now() >= until;
                let often = ticks::count() - before >= 5;
                format!("{said}, often {often}, late {late}")
            }
            ["call-ticking", name, data] => {
                let before = ticks::count();
                let said = call(&self.doors[*name], data, None);
                let often = ticks::count() - before >= 5;
                format!("{said}, often {often}")
            }
            ["start", name, data, id] => {
                let (door, data) = (self.doors[*name].clone(), (*data).to_owned());
                let calling = std::thread::spawn(move || call(&door, &data, None));
                self.calls.insert((*id).to_owned(), calling);
                "started".into()
            }
            // One call after the other until one fails.
            ["start-many", name, id] => {
                let door = self.doors[*name].clone();
                let calling = std::thread::spawn(move || {
                    loop {
                        let said = call(&door, "eagain", None);
                        if said != "reply again" {
                            return said;
                        }
                        board::raise("many");
                    }
                });
                self.calls.insert((*id).to_owned(), calling);
                "started".into()
            }
            ["wait-many", number] => {
                board::wait("many", number.parse().unwrap());
                "so many".into()
            }
            ["join", id] => self.calls.remove(*id).unwrap().join().unwrap(),
            ["info", name] => match self.doors[*name].info() {
                Ok(info) => format!("target {:?} {:?}", info.target, info.attributes),
                Err(error) => format!("error {:?}", error.condition()),
            },
            ["fork-call", name, data] => {
                let door = self.doors[*name].clone();
                said_by_child(|| {
                    let first = call(&door, data, None);
                    let second = call(&door, data, None);
                    drop(door);
                    let agrees = first == second;
                    format!("pid {} {first} {agrees}", std::process::id())
                })
            }
            ["fork-idle"] => {
                // SAFETY: the child calls pause(2) only, which is async-signal-safe.
                match unsafe { fork() }.unwrap() {
                    ForkResult::Parent { child } => format!("child {child}"),
                    ForkResult::Child => loop {
                        pause();
                    },
                }
            }
            ["exec"] => exec(),
            _ => panic!("unknown command {words:?}"),
        }
    }
}

fn call(door: &Door, data: &str, until: Option<Instant>) -> String {
    let called = match until {
        None => door.call(data.as_bytes(), vec![]),
        Some(until) => door.call_until(data.as_bytes(), vec![], until),
    };
    match called {
        Ok(reply) => format!("reply {}", String::from_utf8_lossy(&reply.data)),
        Err(error) => format!("error {:?} {:?}", error.condition, error.call_state()),
    }
}
