//! The server process of the demonstration.
//!
//! It says on its output what happens in it, so that the director can show it; everything else goes through doors.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use doors::{
    Access, Attachment, Caller, Door, DoorAttributes, DoorError, Invocation, Options, Returned,
    Unreferenced,
};

use super::digest::digest;
use super::latency;
use crate::failure::{Failure, Outcome, chain};

/// The length of the answer that is freed before its caller goes on.
pub(crate) const BUFFER_BYTES: usize = 1024 * 1024;

/// Serves until its input ends.
pub(crate) fn run(directory: &Path) -> Outcome {
    let gate = Gate::new();
    let main = Door::create(move |call| procedure(call, &gate), DoorAttributes::empty());
    let echo = || {
        |call: Invocation<'_>| {
            let data = call.data();
            call.door_return(data, vec![])
        }
    };
    let open = Door::create(echo(), DoorAttributes::empty());
    let guarded = Door::create_with(
        echo(),
        Options {
            access: Access::only_me(),
            ..Options::default()
        },
    );
    let attach = |door: Result<Door, DoorError>, name: &str, mode| -> Outcome<Attachment> {
        let path = directory.join(name);
        door.and_then(|door| door.attach(&path, mode))
            .map_err(|error| Failure::door("serve", &path, &error))
    };
    let _names = [
        attach(main, "door", 0o600)?,
        attach(open, "open", 0o666)?,
        attach(guarded, "guarded", 0o666)?,
    ];
    serve_stream(&directory.join("stream"))?;
    say("ready");
    // Also when the director was killed: then there is nobody to serve for.
    for line in io::stdin().lock().lines() {
        drop(line);
    }
    Ok(())
}

/// One line on the output. Without a director there is nobody to tell.
fn say(line: &str) {
    let mut output = io::stdout().lock();
    let _unheard = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// Keeps a call until another one lets it go.
#[derive(Debug)]
struct Gate {
    open: SyncSender<()>,
    opened: Mutex<Receiver<()>>,
}

impl Gate {
    fn new() -> Self {
        let (open, opened) = sync_channel(1);
        Self {
            open,
            opened: Mutex::new(opened),
        }
    }

    fn pass(&self) {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let _opened = opened.recv();
    }
}

fn procedure(call: Invocation<'_>, gate: &Gate) -> Returned {
    match call.data() {
        b"greet" => greet(call),
        b"digest" => hash(call),
        b"counter" => counter(call),
        b"reply" => reply(call, gate),
        b"release" => {
            let _full = gate.open.try_send(());
            call.door_return(&[], vec![])
        }
        b"forever" => {
            say("serving");
            // Until the process is killed.
            loop {
                thread::park();
            }
        }
        other => {
            let text = format!(
                "error no such operation: {}",
                String::from_utf8_lossy(other)
            );
            call.door_return(text.as_bytes(), vec![])
        }
    }
}

fn greet(call: Invocation<'_>) -> Returned {
    let text = match &*call.caller() {
        Caller::Known(caller) => format!("{} {}", caller.pid(), caller.uid()),
        _ => "unknown".into(),
    };
    call.door_return(text.as_bytes(), vec![])
}

/// Length and SHA-256 of the file whose descriptor came along.
fn hash(mut call: Invocation<'_>) -> Returned {
    let file = call.take_descriptors().pop().map(File::from);
    let text = match file.map(|file| digest(&file)) {
        Some(Ok(digest)) => digest,
        Some(Err(error)) => format!("error {error}"),
        None => "error no descriptor came".into(),
    };
    call.door_return(text.as_bytes(), vec![])
}

/// A new door, for this caller alone: it counts its calls.
fn counter(call: Invocation<'_>) -> Returned {
    let calls = Arc::new(Mutex::new(0_u32));
    let made = Door::create_with(
        move |call| {
            let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            *calls = calls.saturating_add(1);
            call.door_return(calls.to_string().as_bytes(), vec![])
        },
        Options {
            unreferenced: Some(Unreferenced::once(|| say("unreferenced"))),
            ..Options::default()
        },
    );
    // Our own `Door` may go: the caller's reference keeps the door.
    match made.and_then(|door| door.to_desc()) {
        Ok(door) => call.door_return(&[], vec![door]),
        Err(error) => call.door_return(format!("error {}", chain(&error)).as_bytes(), vec![]),
    }
}

/// Hands a large answer over, frees it, and keeps control until another call comes.
fn reply(mut call: Invocation<'_>, gate: &Gate) -> Returned {
    let mut buffer = pattern();
    if let Err(error) = call.door_reply(&buffer, vec![]) {
        say(&format!("error {}", chain(&error)));
        return call.door_return(&[], vec![]);
    }
    buffer.fill(0);
    drop(buffer);
    say("freed");
    gate.pass();
    // What is given now is ignored: the answer was handed over.
    call.door_return(b"too late", vec![])
}

/// The answer of [`reply`], which its caller knows too.
pub(crate) fn pattern() -> Vec<u8> {
    (0..=250).cycle().take(BUFFER_BYTES).collect()
}

/// A unix stream socket that echoes, for the comparison.
fn serve_stream(path: &Path) -> Outcome {
    // One that a killed server left; doors do this by themselves.
    let _none = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).map_err(|error| Failure::file("bind", path, &error))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo_stream(stream));
        }
    });
    Ok(())
}

fn echo_stream(mut stream: UnixStream) {
    let mut bytes = [0; latency::BYTES];
    while stream.read_exact(&mut bytes).is_ok() {
        if stream.write_all(&bytes).is_err() {
            break;
        }
    }
}
