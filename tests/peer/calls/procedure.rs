//! The server procedure of the tests of `calls`: the first word of the data says what to do.

use std::cell::Cell;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use doors::{Door, DoorAttributes, DoorDesc, Invocation, Returned};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::server::Shared;
use super::{bombs, frozen};

thread_local! {
    /// What another invocation on this thread gave as its proof.
    static STALE: Cell<Option<Returned>> = const { Cell::new(None) };
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(count: usize) -> Vec<u8> {
    (0..count)
        .map(|at| at.wrapping_mul(31).wrapping_add(at >> 8).to_le_bytes()[0])
        .collect()
}

pub(crate) fn procedure(shared: &Arc<Shared>, mut call: Invocation<'_>) -> Returned {
    let data = call.data();
    if data.is_empty() || data[0] == b'e' {
        return echo(call);
    }
    let text = std::str::from_utf8(data).unwrap();
    let words: Vec<&str> = text.split(' ').collect();
    let number = |at: usize| words[at].parse::<usize>().unwrap();
    match words[0] {
        // So many bytes, and the descriptors back.
        "bytes" => {
            let fds: Vec<OwnedFd> = call.take_descriptors();
            call.door_return(
                &pattern(number(1)),
                fds.into_iter().map(DoorDesc::from).collect(),
            )
        }
        // nest DEPTH MINE THEIRS: calls the other process, which calls this one, and so on.
        "nest" => {
            let depth = number(1);
            if depth == 0 {
                return call.door_return(b"0", vec![]);
            }
            let inner = format!("nest {} {} {}", depth.saturating_sub(1), words[3], words[2]);
            let reply = shared
                .other(words[3])
                .call(inner.as_bytes(), vec![])
                .unwrap();
            let below: usize = std::str::from_utf8(&reply.data).unwrap().parse().unwrap();
            call.door_return(below.saturating_add(1).to_string().as_bytes(), vec![])
        }
        // The same through a door of this very process.
        "self" => {
            let depth = number(1);
            if depth == 0 {
                return call.door_return(b"0", vec![]);
            }
            let own = shared.own.lock().unwrap().clone().unwrap();
            let reply = own
                .call(
                    format!("self {}", depth.saturating_sub(1)).as_bytes(),
                    vec![],
                )
                .unwrap();
            let below: usize = std::str::from_utf8(&reply.data).unwrap().parse().unwrap();
            call.door_return(below.saturating_add(1).to_string().as_bytes(), vec![])
        }
        "thread" => {
            let name = format!("{:?}", std::thread::current().id());
            call.door_return(name.as_bytes(), vec![])
        }
        // Waits until the test opens the gate.
        "gate" => {
            println!("begun");
            shared.wait();
            call.door_return(b"through", vec![])
        }
        // Notes that the call with this number runs.
        "mark" => {
            shared.marked.lock().unwrap().push(number(1));
            call.door_return(b"", vec![])
        }
        "die" => {
            println!("begun");
            std::process::exit(3)
        }
        "freeze" => frozen::give(call, number(1)),
        "frozen" => frozen::take(call, number(1)),
        // Without the message of a panic, and in nothing else different.
        "panic" => std::panic::resume_unwind(Box::new("as told")),
        "hold" => {
            let (held, returned) = call.hold();
            shared.held.lock().unwrap().push(held);
            println!("held");
            returned
        }
        // Answers from another thread, at once.
        "hold-and-go" => {
            let (mut held, returned) = call.hold();
            std::thread::spawn(move || {
                let fds: Vec<OwnedFd> = held.take_descriptors();
                held.door_return(b"gone", fds.into_iter().map(DoorDesc::from).collect())
                    .unwrap();
            });
            returned
        }
        // Says when it hears that its caller has gone.
        "watch" => {
            call.on_cancel(|| println!("called back"));
            println!("begun");
            while !call.is_cancelled() {
                // A pause between two looks: nothing but the call itself tells.
                std::thread::sleep(Duration::from_millis(1));
            }
            println!("cancelled");
            call.door_return(b"nobody hears this", vec![])
        }
        "watch-and-wait" => {
            call.on_cancel(|| println!("called back"));
            println!("begun");
            shared.wait();
            println!("cancelled: {}", call.is_cancelled());
            call.door_return(b"", vec![])
        }
        _ => descriptors(shared, call, &words),
    }
}

/// What is done with descriptors.
fn descriptors(shared: &Arc<Shared>, mut call: Invocation<'_>, words: &[&str]) -> Returned {
    let number = |at: usize| words[at].parse::<usize>().unwrap();
    match words[0] {
        // How many descriptors came, and what they are: inode and close-on-exec.
        "look" => {
            let seen: Vec<String> = call.descriptors().iter().map(describe).collect();
            call.door_return(seen.join(" ").as_bytes(), vec![])
        }
        // So many files, each with its own number in it, and so many bytes.
        "files" => {
            let files = (0..number(1))
                .map(|at| DoorDesc::Released(numbered(at)))
                .collect();
            call.door_return(&pattern(number(2)), files)
        }
        // Reads one byte of the first descriptor: the offset is everybody's.
        "read" => {
            let mut file = std::fs::File::from(call.take_descriptors().remove(0));
            let mut byte = [0];
            file.read_exact(&mut byte).unwrap();
            call.door_return(&byte, vec![])
        }
        // Reads the first descriptor to its end.
        "drain" => {
            let mut fds = call.take_descriptors().into_iter();
            let mut from = std::fs::File::from(fds.next().unwrap());
            drop(fds);
            let mut all = Vec::new();
            from.read_to_end(&mut all).unwrap();
            call.door_return(&all, vec![])
        }
        // Reads from a descriptor that may never have anything.
        "try-read" => {
            let mut file = std::fs::File::from(call.take_descriptors().remove(0));
            doors::set_nonblocking(&file).unwrap();
            let error = file.read(&mut [0]).unwrap_err();
            call.door_return(format!("{:?}", error.kind()).as_bytes(), vec![])
        }
        "keep" => {
            shared.kept.lock().unwrap().extend(call.take_descriptors());
            call.door_return(b"kept", vec![])
        }
        // Calls the door that came, and answers with what it said.
        "call-it" => {
            let door = Door::from_descriptor(call.take_descriptors().remove(0)).unwrap();
            let reply = door.call(words[1].as_bytes(), vec![]).unwrap();
            call.door_return(&reply.data, vec![])
        }
        // A door of its own for each caller.
        "new-door" | "new-private-door" => {
            let mut attributes = DoorAttributes::empty();
            attributes.set(DoorAttributes::PRIVATE, words[0] == "new-private-door");
            let door = Door::create(|call| call.door_return(b"new", vec![]), attributes);
            let desc = door.unwrap().to_desc().unwrap();
            call.door_return(b"", vec![desc])
        }
        "slow-file" => {
            println!("begun");
            shared.wait();
            let fds: Vec<OwnedFd> = call.take_descriptors();
            let returned = call.door_return(b"late", fds.into_iter().map(DoorDesc::from).collect());
            println!("ended");
            returned
        }
        _ => replies(shared, call, words[0]),
    }
}

/// The ways to answer.
fn replies(shared: &Arc<Shared>, mut call: Invocation<'_>, word: &str) -> Returned {
    match word {
        // The buffer belongs to us again after the reply; the caller still waits.
        "reply" => {
            let mut buffer = vec![b'r'; 100_000];
            call.door_reply(&buffer, vec![DoorDesc::Released(numbered(7))])
                .unwrap();
            buffer.fill(b'x');
            drop(buffer);
            println!("replied");
            shared.wait();
            println!("returns");
            call.door_return(b"other", vec![DoorDesc::Released(numbered(8))])
        }
        "reply-twice" => {
            call.door_reply(b"first", vec![]).unwrap();
            let second = call.door_reply(b"second", vec![]);
            println!("{second:?}");
            call.door_return(b"third", vec![])
        }
        "reply-panic" => {
            call.door_reply(b"before the panic", vec![]).unwrap();
            std::panic::resume_unwind(Box::new("as told"))
        }
        "reply-exit" => {
            call.door_reply(b"before the exit", vec![]).unwrap();
            std::process::exit(3)
        }
        "reply-now" => {
            let returned = call.door_reply_now(b"now", vec![DoorDesc::Released(numbered(9))]);
            println!("replied");
            shared.wait();
            println!("{:?}", std::thread::current().id());
            returned.unwrap()
        }
        "reply-now-panic" => {
            let returned = call.door_reply_now(b"now", vec![]);
            drop(returned);
            std::panic::resume_unwind(Box::new("as told"))
        }
        // Too many: nothing was handed over, and the caller gets what comes then.
        "too-many" => {
            let one = std::fs::File::open("/dev/null").unwrap();
            let many = (0..1025).map(|_| DoorDesc::Lent(one.as_fd())).collect();
            let error = call.door_reply(b"", many).unwrap_err();
            call.door_return(error.to_string().as_bytes(), vec![])
        }
        "too-many-now" => {
            let one = std::fs::File::open("/dev/null").unwrap();
            let many = (0..1025).map(|_| DoorDesc::Lent(one.as_fd())).collect();
            match call.door_reply_now(b"", many) {
                Ok(returned) => returned,
                Err((call, error)) => call.door_return(error.to_string().as_bytes(), vec![]),
            }
        }
        // Answers with a proof that belongs to another call.
        "stash" => {
            let (held, returned) = call.hold();
            STALE.set(Some(returned));
            let again = held.door_return(b"stashed", vec![]);
            again.unwrap();
            let Some(returned) = STALE.take() else {
                panic!("the proof is gone")
            };
            returned
        }
        "drop" => {
            let (held, returned) = call.hold();
            drop(held);
            returned
        }
        other => bombs::leave(call, other),
    }
}

fn echo(mut call: Invocation<'_>) -> Returned {
    let data = call.data();
    let fds: Vec<OwnedFd> = call.take_descriptors();
    call.door_return(data, fds.into_iter().map(DoorDesc::from).collect())
}

fn describe(fd: &OwnedFd) -> String {
    let stat = nix::sys::stat::fstat(fd).unwrap();
    let flags = FdFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFD).unwrap());
    format!(
        "{}:{}:{}",
        stat.st_dev,
        stat.st_ino,
        flags.contains(FdFlag::FD_CLOEXEC)
    )
}

/// A file with a number in it.
pub(crate) fn numbered(number: usize) -> OwnedFd {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let mut file = std::fs::File::from(nix::sys::memfd::memfd_create(c"numbered", flags).unwrap());
    write!(file, "{number}").unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.into()
}
