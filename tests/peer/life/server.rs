//! A server with two doors: one that is there to be asked for the other.
#![expect(unsafe_code, reason = "a server that forks is under test")]

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use doors::{
    Attachment, Caller, Door, DoorAttributes, Held, Invocation, Options, Returned, Unreferenced,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, fork, getpid, pause};

use super::{board, interpret};

/// The door under test.
static SUBJECT: Mutex<Option<Door>> = Mutex::new(None);
/// Calls that were taken off their threads.
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());
/// A lock that a call holds and the notice takes.
static SHARED: Mutex<()> = Mutex::new(());
/// What the notice is to do besides counting.
static MANNER: Mutex<String> = Mutex::new(String::new());

/// Tells when the procedure that owns it is dropped.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        board::raise("dropped");
    }
}

/// Serves until its input ends.
pub(super) fn run() {
    let mut server = Server::default();
    interpret(|words| server.command(words));
}

#[derive(Default)]
struct Server {
    control: Option<Door>,
    attachments: HashMap<String, Attachment>,
    copies: Vec<OwnedFd>,
}

impl Server {
    fn command(&mut self, words: &[&str]) -> String {
        match words {
            ["control", path] => {
                let door = Door::create(procedure, DoorAttributes::empty()).unwrap();
                let attached = door.attach(path, 0o600);
                self.control = Some(door);
                self.keep("control", attached)
            }
            ["create", kind, rest @ ..] => create(kind, rest),
            ["attach", name, path, mode] => {
                let mode = u32::from_str_radix(mode, 8).unwrap();
                let attached = subject().attach(Path::new(path), mode);
                self.keep(name, attached)
            }
            ["attach-inherited"] => match doors::inherited_listeners() {
                Ok(listeners) => {
                    let count = listeners.len();
                    for (at, listener) in listeners.into_iter().enumerate() {
                        let attached = subject().attach_inherited(listener);
                        self.keep(&format!("inherited{at}"), attached);
                    }
                    format!("inherited {count}")
                }
                Err(error) => format!("error {:?}", error.condition()),
            },
            ["detach", name] => match self.attachments.remove(*name).unwrap().detach() {
                Ok(removed) => format!("detached {removed}"),
                Err(error) => format!("error {:?}", error.condition()),
            },
            ["fork-detach", name] => {
                let attachment = self.attachments.remove(*name).unwrap();
                let said = said_by_child(|| {
                    // Only the child's copy is used up.
                    let attachments = std::mem::take(&mut self.attachments);
                    drop(attachments);
                    // SAFETY: a bitwise copy that only this child uses; it ends without running a drop of the other.
                    let copy = unsafe { std::ptr::read(&raw const attachment) };
                    format!("{:?}", plain(copy.detach()))
                });
                self.attachments.insert((*name).to_owned(), attachment);
                said
            }
            ["become", uid] => super::become_user(uid),
            ["drop-attachment", name] => {
                drop(self.attachments.remove(*name).unwrap());
                "dropped".into()
            }
            ["mint"] => {
                self.copies.push(subject().descriptor().unwrap());
                "minted".into()
            }
            ["close-copies"] => {
                self.copies.clear();
                "closed".into()
            }
            ["self-call"] => format!("{:?}", subject().call(b"i", vec![]).is_ok()),
            ["revoke"] => format!("{:?}", plain(subject().revoke())),
            ["drop-door"] => {
                let door = SUBJECT.lock().unwrap().take();
                drop(door);
                "dropped".into()
            }
            ["info"] => {
                let info = subject().info().unwrap();
                let figures = info.figures.unwrap();
                format!(
                    "references {} active {}",
                    figures.references, figures.active
                )
            }
            ["attributes"] => format!("{:?}", subject().info().unwrap().attributes),
            ["manner", manner] => {
                (*manner).clone_into(&mut MANNER.lock().unwrap());
                "so be it".into()
            }
            ["raise", name] => {
                board::raise(name);
                "raised".into()
            }
            ["wait", name, number] => {
                format!("{name} {}", board::wait(name, number.parse().unwrap()))
            }
            ["count", name] => format!("{name} {}", board::count(name)),
            ["barrier"] => barrier(),
            ["occupy"] => occupy(),
            ["held"] => {
                let held = HELD.lock().unwrap();
                format!("cancelled {}", held.last().unwrap().is_cancelled())
            }
            ["answer"] => {
                let held = HELD.lock().unwrap().pop().unwrap();
                format!("answered {}", held.door_return(b"late", vec![]).is_ok())
            }
            ["fork-idle"] => fork_idle(),
            ["fork-use"] => Self::fork_use(),
            _ => panic!("unknown command {words:?}"),
        }
    }

    fn keep(&mut self, name: &str, attached: Result<Attachment, doors::DoorError>) -> String {
        match attached {
            Ok(attachment) => {
                self.attachments.insert(name.to_owned(), attachment);
                "attached".into()
            }
            Err(error) => format!("error {:?}", error.condition()),
        }
    }

    /// A child that tries what only its parent may do, then serves a door of its own.
    fn fork_use() -> String {
        let door = subject();
        said_by_child(|| {
            let descriptor = plain(door.descriptor()).map(drop);
            let revoked = plain(door.revoke());
            let attached = plain(door.attach("/nowhere/at/all", 0o600)).map(drop);
            let called = door
                .call(b"i", vec![])
                .map(drop)
                .map_err(|error| error.condition);
            drop(door);
            let own = Door::create(procedure, DoorAttributes::empty()).unwrap();
            let answer = own
                .call(b"i", vec![])
                .map(|reply| text(&reply.data))
                .unwrap();
            let handed = Door::from_descriptor(own.descriptor().unwrap()).unwrap();
            let again = handed
                .call(b"eagain", vec![])
                .map(|reply| text(&reply.data))
                .unwrap();
            let right = answer == getpid().to_string();
            format!("{descriptor:?} {revoked:?} {attached:?} {called:?} own {right} {again}")
        })
    }
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

fn subject() -> Door {
    SUBJECT
        .lock()
        .unwrap()
        .clone()
        .expect("the subject was created")
}

fn create(kind: &str, rest: &[&str]) -> String {
    let guard = Guard;
    let procedure = move |call: Invocation<'_>| {
        let _here = &guard;
        procedure(call)
    };
    let unreferenced = match kind {
        "once" => Some(Unreferenced::once(notice)),
        "multi" => Some(Unreferenced::multi(notice)),
        // The closure owns a `Door` too: when it is dropped, perhaps the last one.
        "owning" => {
            let slot: Arc<OnceLock<Door>> = Arc::default();
            let own = Arc::clone(&slot);
            let unreferenced = Unreferenced::once(move || {
                let _mine = own.get();
                notice();
            });
            let options = Options {
                unreferenced: Some(unreferenced),
                ..Options::default()
            };
            let door = Door::create_with(procedure, options).unwrap();
            slot.set(door.clone()).unwrap();
            *SUBJECT.lock().unwrap() = Some(door);
            return "created".into();
        }
        _ => None,
    };
    let attributes = if rest.contains(&"private") {
        DoorAttributes::PRIVATE
    } else {
        DoorAttributes::empty()
    };
    let options = Options {
        attributes,
        unreferenced,
        ..Options::default()
    };
    *SUBJECT.lock().unwrap() = Some(Door::create_with(procedure, options).unwrap());
    "created".into()
}

/// The notice that the subject has become unreferenced.
fn notice() {
    board::raise("begun");
    let manner = MANNER.lock().unwrap().clone();
    match manner.as_str() {
        "slow" => {
            let turn = board::count("begun");
            board::wait("go-on", turn);
        }
        "locking" => drop(SHARED.lock()),
        // A reference that comes and goes, and the owner's end, all while the notice runs.
        "last-will" => {
            let door = SUBJECT.lock().unwrap().take();
            if let Some(door) = door {
                let mark = door.info().unwrap().figures.unwrap().references;
                drop(door.descriptor().unwrap());
                while door.info().unwrap().figures.unwrap().references > mark {
                    std::thread::yield_now();
                }
            }
        }
        _ => {}
    }
    board::raise("notices");
}

/// Comes back when every notice that was due before has been over.
///
/// Notices of a process are delivered one at a time in the order in which they fell due, and hang-ups are seen in the
/// order in which they happened: when the notice of a door of its own has come, so have all before it.
fn barrier() -> String {
    let number = board::count("barrier") + 1;
    let options = Options {
        unreferenced: Some(Unreferenced::once(|| board::raise("barrier"))),
        ..Options::default()
    };
    let door = Door::create_with(procedure, options).unwrap();
    drop(door.descriptor().unwrap());
    board::wait("barrier", number);
    "barrier".into()
}

/// Keeps the thread of the notices busy until "vacated" is raised.
fn occupy() -> String {
    let notice = Unreferenced::once(|| {
        board::raise("occupied");
        board::wait("vacated", 1);
    });
    let options = Options {
        unreferenced: Some(notice),
        ..Options::default()
    };
    let door = Door::create_with(procedure, options).unwrap();
    drop(door.descriptor().unwrap());
    board::wait("occupied", 1);
    "occupied".into()
}

/// A child that keeps a copy of every descriptor and does nothing.
/// What happened, without the door to which it did.
fn plain<T>(result: Result<T, doors::DoorError>) -> Result<T, doors::DoorCondition> {
    result.map_err(|error| error.condition().clone())
}

fn fork_idle() -> String {
    // SAFETY: the child calls pause(2) only, which is async-signal-safe.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => format!("child {child}"),
        ForkResult::Child => loop {
            pause();
        },
    }
}

/// Runs `work` in a forked child; what it came to.
pub(super) fn said_by_child(work: impl FnOnce() -> String) -> String {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: the child goes on with a copy of this process; that it may use doors there is what is under test, and
    // the C library makes its allocator usable after a fork.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => {
            drop(writer);
            let mut said = String::new();
            std::io::Read::read_to_string(&mut reader, &mut said).unwrap();
            let status = nix::sys::wait::waitpid(child, None).unwrap();
            match status {
                nix::sys::wait::WaitStatus::Exited(_, 0) => said,
                other => format!("{said} {other:?}"),
            }
        }
        ForkResult::Child => {
            drop(reader);
            let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let said = said.unwrap_or_else(|_| "panicked".into());
            writer.write_all(said.as_bytes()).unwrap();
            // SAFETY: `_exit` ends the process without running anything of the parent's.
            unsafe { libc::_exit(0) }
        }
    }
}

/// Waits until a child sleeps or has ended; which of the two.
fn rest_of(child: Pid) -> &'static str {
    loop {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap();
        if status.contains("State:\tS") {
            return "sleeps";
        }
        if status.contains("State:\tZ") {
            return "ended";
        }
        std::thread::yield_now();
    }
}

/// What the first byte of the data asks for.
pub(super) fn procedure(mut call: Invocation<'_>) -> Returned {
    match call.data().first() {
        None => call.door_return(&[], vec![]),
        Some(b'e') => {
            let data = &call.data()[1..];
            call.door_return(data, vec![])
        }
        Some(b'i') => call.door_return(getpid().to_string().as_bytes(), vec![]),
        // Who calls.
        Some(b'c') => {
            let said = match &*call.caller() {
                Caller::Known(caller) => format!("{} {}", caller.pid(), caller.uid()),
                _ => "unknown".into(),
            };
            call.door_return(said.as_bytes(), vec![])
        }
        // A descriptor of the subject.
        Some(b'd') => match subject().to_desc() {
            Ok(descriptor) => call.door_return(b"here", vec![descriptor]),
            Err(error) => call.door_return(format!("{error:?}").as_bytes(), vec![]),
        },
        // Stays until it is released or cancelled.
        Some(b'b') => {
            call.on_cancel(|| {
                board::raise("cancelled");
                board::raise("released");
            });
            let number = board::count("released") + 1;
            board::raise("entered");
            board::wait("released", number);
            if call.is_cancelled() {
                board::raise("saw");
            }
            call.door_return(b"released", vec![])
        }
        // Takes so many milliseconds.
        Some(b's') => {
            let millis = text(&call.data()[1..]).parse().unwrap();
            std::thread::sleep(Duration::from_millis(millis));
            call.door_return(format!("slept {millis}").as_bytes(), vec![])
        }
        // The same as `b`, with a lock held.
        Some(b'l') => {
            let lock = SHARED.lock();
            board::raise("entered");
            board::wait("released", 1);
            drop(lock);
            call.door_return(b"unlocked", vec![])
        }
        Some(b'h') => {
            let (held, returned) = call.hold();
            HELD.lock().unwrap().push(held);
            board::raise("held");
            returned
        }
        // Dies in the middle of the call.
        Some(b'k') => {
            kill(Pid::this(), Signal::SIGKILL).unwrap();
            call.door_return(b"cannot be", vec![])
        }
        // Forks, and the child returns from the procedure as if it were the server.
        Some(b'f') => {
            // SAFETY: that the child goes on in the library is what is under test.
            match unsafe { fork() }.unwrap() {
                ForkResult::Parent { child } => {
                    let said = format!("{child} {}", rest_of(child));
                    call.door_return(said.as_bytes(), vec![])
                }
                ForkResult::Child => call.door_return(b"from the child", vec![]),
            }
        }
        Some(_) => call.door_return(b"?", vec![]),
    }
}
