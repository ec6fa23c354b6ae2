//! A server with two doors: one that is there to be asked for the other.
#![expect(unsafe_code, reason = "a server that forks is under test")]

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use doors::{
    AttachOptions, Attachment, Door, DoorAttributes, Held, Invocation, Options, Unreferenced,
};
use nix::unistd::{ForkResult, fork, getpid, pause};

use super::notices::{barrier, notice, occupy, set_manner};
use super::procedure::procedure;
use super::{board, interpret};

/// The door under test.
pub(super) static SUBJECT: Mutex<Option<Door>> = Mutex::new(None);
/// Calls that were taken off their threads.
pub(super) static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());
/// A lock that a call holds and the notice takes.
pub(super) static SHARED: Mutex<()> = Mutex::new(());

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
            ["attach-inherited"] => self.attach_inherited(),
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
            ["attach-and-detach", path, mode, times, owner @ ..] => {
                attach_and_detach(path, mode, times.parse().unwrap(), owner)
            }
            ["leave", name] => {
                self.attachments.remove(*name).unwrap().keep();
                "left".into()
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
                set_manner(manner);
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
            ["exec"] => super::client::exec(),
            ["fork-idle"] => fork_idle(),
            ["fork-use"] => Self::fork_use(),
            _ => panic!("unknown command {words:?}"),
        }
    }

    fn attach_inherited(&mut self) -> String {
        match doors::inherited_listeners() {
            Ok(listeners) => {
                let count = listeners.len();
                for (at, listener) in listeners.into_iter().enumerate() {
                    let attached = subject().attach_inherited(listener);
                    self.keep(&format!("inherited{at}"), attached);
                }
                format!("inherited {count}")
            }
            Err(error) => format!("error {:?}", error.condition()),
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

/// So many times, perhaps as the name of another user and group.
fn attach_and_detach(path: &str, mode: &str, times: usize, owner: &[&str]) -> String {
    let options = AttachOptions {
        owner: owner.first().map(|id| id.parse().unwrap()),
        group: owner.last().map(|id| id.parse().unwrap()),
        ..AttachOptions::mode(u32::from_str_radix(mode, 8).unwrap())
    };
    for _ in 0..times {
        let attached = subject().attach_with(path, options.clone());
        assert!(attached.unwrap().detach().unwrap());
    }
    "detached".into()
}

pub(super) fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

pub(super) fn subject() -> Door {
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
pub(crate) fn said_by_child(work: impl FnOnce() -> String) -> String {
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
