//! A client process of the demonstration: it does what the director tells it.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use doors::{CallCondition, CallState, Door, DoorCondition, DoorDesc, NameError, Reply};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::{latency, server};
use crate::arguments::DemoClient;
use crate::failure::{Failure, Outcome, chain};

/// Plays until its input ends.
pub(crate) fn run(arguments: &DemoClient) -> Outcome {
    if let Some(uid) = arguments.uid
        && let Err(error) = become_user(uid)
    {
        say(&format!("cannot become user {uid}: {error}"))?;
        return Ok(());
    }
    say("ready")?;
    let mut client = Client {
        directory: &arguments.directory,
        files: &arguments.files,
        door: None,
        counter: None,
        waiting: None,
    };
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let answer = client
            .act(&line)
            .unwrap_or_else(|failure| format!("failed {}", failure.text));
        say(&answer)?;
    }
    Ok(())
}

/// For good: all ids, and no groups.
fn become_user(uid: u32) -> nix::Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)
}

fn say(line: &str) -> Outcome {
    let mut output = io::stdout().lock();
    let written = writeln!(output, "{line}").and_then(|()| output.flush());
    written.map_err(|error| Failure::output(&error))
}

struct Client<'a> {
    directory: &'a Path,
    files: &'a [PathBuf],
    door: Option<Door>,
    /// The door that came from a door.
    counter: Option<Door>,
    waiting: Option<Waiting>,
}

/// A thread in a call whose answer was handed over and not let go.
struct Waiting {
    /// Says whether it was let go before the call returned, and whether the answer was intact.
    thread: JoinHandle<Outcome<(bool, bool)>>,
    released: Arc<Mutex<bool>>,
}

impl Client<'_> {
    /// Does what a line says; what came of it.
    fn act(&mut self, line: &str) -> Outcome<String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "open" => {
                self.door = Some(self.open("door")?);
                Ok("opened".into())
            }
            "greet" => self
                .call("greet", vec![])
                .and_then(|reply| worded("greeted", &reply)),
            "file" => self.file(rest),
            "counter" => self.counter(),
            "reply" => self.reply(),
            "release" => self.release(),
            "forever" => self.forever(),
            "try" => self.attempt(rest),
            "latency" => self.latency(),
            _ => Err(Failure::new(format!("there is no {verb}"))),
        }
    }

    fn open(&self, name: &str) -> Outcome<Door> {
        crate::open::open(&self.directory.join(name))
    }

    fn call(&self, operation: &str, descriptors: Vec<DoorDesc<'_>>) -> Outcome<Reply> {
        call(self.door()?, operation, descriptors)
    }

    fn door(&self) -> Outcome<&Door> {
        self.door
            .as_ref()
            .ok_or_else(|| Failure::new("no door is open"))
    }

    fn file(&self, number: &str) -> Outcome<String> {
        let path = number
            .parse()
            .ok()
            .and_then(|number: usize| self.files.get(number));
        let path = path.ok_or_else(|| Failure::new("there is no such file"))?;
        let file = File::open(path).map_err(|error| Failure::file("open", path, &error))?;
        worded(
            "digest",
            &self.call("digest", vec![DoorDesc::Lent(file.as_fd())])?,
        )
    }

    /// Gets a door from the door and calls it three times; keeps it.
    fn counter(&mut self) -> Outcome<String> {
        let mut reply = self.call("counter", vec![])?;
        let Some(descriptor) = reply.descriptors.pop() else {
            return Err(Failure::new(String::from_utf8_lossy(&reply.data)));
        };
        let counter = Door::from_descriptor(descriptor)
            .map_err(|error| Failure::new(format!("what came is no door: {}", chain(&error))))?;
        let mut counts = Vec::new();
        for _ in 0..3 {
            let reply = call(&counter, "", vec![])?;
            counts.push(String::from_utf8_lossy(&reply.data).into_owned());
        }
        self.counter = Some(counter);
        Ok(format!("counter {}", counts.join(" ")))
    }

    fn reply(&mut self) -> Outcome<String> {
        let door = self.door()?.clone();
        let released = Arc::new(Mutex::new(false));
        let seen = Arc::clone(&released);
        let thread = thread::spawn(move || {
            let reply = call(&door, "reply", vec![])?;
            // Read after the call: it was set before the call that lets this one go.
            let released = *seen.lock().unwrap_or_else(PoisonError::into_inner);
            Ok((released, reply.data == server::pattern()))
        });
        self.waiting = Some(Waiting { thread, released });
        Ok("called".into())
    }

    fn release(&mut self) -> Outcome<String> {
        let waiting = self.waiting.take();
        let waiting = waiting.ok_or_else(|| Failure::new("no call waits"))?;
        *waiting
            .released
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.call("release", vec![])?;
        let ended = waiting.thread.join();
        let (waited, intact) = ended.map_err(|_| Failure::new("the calling thread panicked"))??;
        Ok(format!("returned {waited} {intact}"))
    }

    /// Makes a call that ends with the server.
    fn forever(&self) -> Outcome<String> {
        match self.door()?.call(b"forever", vec![]) {
            Ok(_) => Err(Failure::new("the call returned")),
            Err(error) => Ok(match (error.call_state(), &error.condition) {
                (CallState::MayHaveExecuted, CallCondition::ServerDied { .. }) => {
                    format!("died {}", chain(&error.condition))
                }
                (state, condition) => format!("failed {state:?}: {}", chain(condition)),
            }),
        }
    }

    /// Tries a door that may not admit us.
    fn attempt(&self, name: &str) -> Outcome<String> {
        let path = self.directory.join(name);
        let door = match Door::open(&path) {
            Ok(door) => door,
            Err(error) => {
                return match error.condition() {
                    DoorCondition::Name(error @ NameError::Permission { .. }) => {
                        Ok(format!("mode {}", chain(error)))
                    }
                    _ => Err(Failure::door("open", &path, &error)),
                };
            }
        };
        match door.call(b"hello", vec![]) {
            Ok(_) => Ok("admitted".into()),
            Err(error) if error.condition == CallCondition::NotAllowed => {
                Ok(format!("policy {}", error.condition))
            }
            Err(error) => Err(Failure::call(&path, &error)),
        }
    }

    fn latency(&self) -> Outcome<String> {
        let [door, stream] =
            latency::compare(&self.directory.join("open"), &self.directory.join("stream"))?;
        let nanos =
            [door.p50, door.p99, stream.p50, stream.p99].map(|time| time.as_nanos().to_string());
        Ok(format!("latency {}", nanos.join(" ")))
    }
}

fn call(door: &Door, operation: &str, descriptors: Vec<DoorDesc<'_>>) -> Outcome<Reply> {
    let reply = door.call(operation.as_bytes(), descriptors);
    reply.map_err(|error| Failure::new(format!("{operation}: {}", chain(&error))))
}

/// A reply of words, unless it tells of an error.
fn worded(word: &str, reply: &Reply) -> Outcome<String> {
    let text = String::from_utf8_lossy(&reply.data);
    match text.strip_prefix("error ") {
        Some(error) => Err(Failure::new(format!("the server: {error}"))),
        None => Ok(format!("{word} {text}")),
    }
}
