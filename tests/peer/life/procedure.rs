//! The server procedure: the first byte of the data says what to do.
#![expect(unsafe_code, reason = "a procedure that forks is under test")]

use std::time::Duration;

use doors::{Caller, Invocation, Returned};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, fork, getpid};

use super::board;
use super::server::{HELD, SHARED, subject, text};

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
            // Counted first: it may be cancelled already.
            let number = board::count("released") + 1;
            call.on_cancel(|| {
                board::raise("cancelled");
                board::raise("released");
            });
            board::raise("entered");
            board::wait("released", number);
            if call.is_cancelled() {
                board::raise("saw");
            }
            call.door_return(b"released", vec![])
        }
        // Takes so many milliseconds: time is the subject of who asks for it.
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
