//! What the first word of the data asks for.
#![expect(unsafe_code, reason = "a procedure that forks is under test")]

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, OnceLock};

use doors::{Caller, Door, DoorDesc, Invocation, Returned};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, gettid};

use super::{DOOR, HELD, NAME, door};
use crate::calls::{numbered, pattern};
use crate::life::board;

/// Name and id of the thread on which the last call ran that was not part of another.
static LAST: Mutex<String> = Mutex::new(String::new());

/// A file that is everybody's.
pub(super) fn common() -> &'static File {
    static COMMON: OnceLock<File> = OnceLock::new();
    COMMON.get_or_init(|| File::open("/dev/null").unwrap())
}

pub(super) fn last_thread() -> String {
    LAST.lock().unwrap().clone()
}

fn this_thread() -> String {
    let name = std::thread::current().name().unwrap_or("?").to_owned();
    format!("{name} {}", gettid())
}

pub(super) fn procedure(mut call: Invocation<'_>) -> Returned {
    let text = String::from_utf8_lossy(call.data()).into_owned();
    let words: Vec<&str> = text.split(' ').collect();
    if words[0] != "within" {
        *LAST.lock().unwrap() = this_thread();
        board::raise("begun");
    }
    let number = |at: usize| words[at].parse::<usize>().unwrap();
    match words[0] {
        "where" => call.door_return(this_thread().as_bytes(), vec![]),
        "echo" => {
            let back = call.take_descriptors();
            let back = back.into_iter().map(DoorDesc::from).collect();
            call.door_return(text.as_bytes(), back)
        }
        "bytes" => call.door_return(&pattern(number(1)), vec![]),
        // So many files of its own, released, and one that is everybody's, lent.
        "files" => {
            let common = common();
            let files = (0..number(1)).map(|at| DoorDesc::from(numbered(at)));
            let files = files.chain([DoorDesc::Lent(common.as_fd())]).collect();
            let returned = call.door_return(b"files", files);
            common.metadata().unwrap();
            returned
        }
        // Reads the first descriptor to its end, which comes when nobody has the other end any more.
        "drain" => {
            let mut fds = call.take_descriptors().into_iter();
            let mut from = File::from(fds.next().unwrap());
            drop(fds);
            let mut all = Vec::new();
            from.read_to_end(&mut all).unwrap();
            call.door_return(&all, vec![])
        }
        "who" => {
            let who = match &*call.caller() {
                Caller::Known(caller) => {
                    format!("{} {} {}", caller.pid(), caller.uid(), caller.gid())
                }
                _ => "unknown".into(),
            };
            call.door_return(who.as_bytes(), vec![])
        }
        // Stays until everybody may leave so often.
        "gate" => {
            board::raise("entered");
            board::wait("leave", number(1));
            call.door_return(b"through", vec![])
        }
        // The same, and notes whether its caller has gone.
        "watch" => {
            call.on_cancel(|| board::raise("told"));
            board::raise("entered");
            board::wait("leave", number(1));
            let cancelled = call.is_cancelled();
            board::raise(if cancelled { "saw" } else { "saw-nothing" });
            call.door_return(b"watched", vec![])
        }
        _ => others(call, &words),
    }
}

/// What ends a call, or more than that, in some way of its own.
fn others(mut call: Invocation<'_>, words: &[&str]) -> Returned {
    let number = |at: usize| words[at].parse::<usize>().unwrap();
    match words[0] {
        "reply" => {
            let mut buffer = vec![b'r'; number(2)];
            call.door_reply(&buffer, vec![numbered(7).into()]).unwrap();
            buffer.fill(b'x');
            drop(buffer);
            board::raise("entered");
            board::wait("leave", number(1));
            let again = call.door_reply(b"again", vec![]).unwrap_err();
            board::raise(&format!("{again:?}"));
            call.door_return(b"ignored", vec![numbered(8).into()])
        }
        "reply-now" => {
            let bytes = vec![b'n'; number(2)];
            let Ok(returned) = call.door_reply_now(&bytes, vec![numbered(9).into()]) else {
                panic!("not handed over")
            };
            board::raise("entered");
            board::wait("leave", number(1));
            board::raise("over");
            returned
        }
        "too-many" => {
            let one = numbered(1);
            let many = (0..1025).map(|_| DoorDesc::Lent(one.as_fd())).collect();
            let error = call.door_reply(b"", many).unwrap_err();
            call.door_return(error.to_string().as_bytes(), vec![])
        }
        "hold" => {
            let (held, returned) = call.hold();
            HELD.lock().unwrap().push(held);
            board::raise("held");
            returned
        }
        "note" => {
            board::raise(&format!("note-{}", words[1]));
            call.door_return(&[], vec![])
        }
        "panic" => std::panic::resume_unwind(Box::new("as told")),
        "exit" => {
            board::raise("entered");
            board::wait("leave", number(1));
            std::process::exit(3)
        }
        "fork" => {
            // SAFETY: that the child goes on in the library is what is under test.
            match unsafe { fork() }.unwrap() {
                ForkResult::Parent { child } => {
                    let rest = rest_of(child);
                    kill(child, Signal::SIGKILL).unwrap();
                    waitpid(child, None).unwrap();
                    call.door_return(rest.as_bytes(), vec![])
                }
                ForkResult::Child => {
                    set_pdeathsig(Signal::SIGKILL).unwrap();
                    call.door_return(b"from the child", vec![])
                }
            }
        }
        // nest DEPTH HERE THERE: a first call on the other door, whose procedure makes one on this, and so on.
        "nest" | "within" => {
            let depth = number(1);
            let below = if depth == 0 {
                0
            } else {
                let next = format!("within {} {} {}", depth - 1, words[3], words[2]);
                let reply = Door::open(words[3]).unwrap().call(next.as_bytes(), vec![]);
                String::from_utf8(reply.unwrap().data)
                    .unwrap()
                    .parse()
                    .unwrap()
            };
            call.door_return((below + 1).to_string().as_bytes(), vec![])
        }
        // The door ends while it is called.
        "revoke" => {
            door().revoke().unwrap();
            call.door_return(b"revoked", vec![])
        }
        "abandon" => {
            drop(NAME.lock().unwrap().take());
            drop(DOOR.lock().unwrap().take());
            call.door_return(b"abandoned", vec![])
        }
        // A new door.
        "give" => {
            let given = Door::create(procedure, doors::DoorAttributes::empty()).unwrap();
            call.door_return(b"", vec![given.to_desc().unwrap()])
        }
        // Calls the door that came.
        "call-it" => {
            let came: OwnedFd = call.take_descriptors().remove(0);
            let reply = Door::from_descriptor(came).unwrap();
            let reply = reply.call(b"within 0", vec![]).unwrap();
            call.door_return(&reply.data, vec![])
        }
        other => panic!("unknown call {other}"),
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
