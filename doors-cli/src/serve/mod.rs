//! `doors serve`: a door whose server procedure is a command.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use doors::{Attachment, Caller, Door, DoorAttributes, Invocation, Options, PoolLimits, Returned};
use nix::sys::eventfd::{EfdFlags, EventFd};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::arguments::Serve;
use crate::failure::{Failure, Outcome, Status};

mod attend;
mod command;
pub(crate) mod verdict;

use command::Plan;
use verdict::Verdict;

pub(crate) fn run(arguments: &Serve) -> Outcome {
    // From here on a signal waits for us instead of ending the process with the name in place.
    let mut signals = Signals::new([SIGTERM, SIGINT])
        .map_err(|error| Failure::new(format!("cannot receive signals: {error}")))?;
    command::find(&arguments.command)?;
    let stop = Arc::new(event()?);
    let door = door(arguments, &stop)?;
    let names = attach(&door, arguments)?;
    for name in &names {
        let shown = name.path().unwrap_or(Path::new("an inherited socket"));
        log(&format!(
            "process {} serves {}",
            std::process::id(),
            shown.display()
        ));
    }
    let _first = signals.forever().next();
    for name in names {
        // The name may have been removed by hand, and its directory with it: it is gone either way.
        let _gone = name.detach();
    }
    finish(arguments.grace, &stop, signals);
    Ok(())
}

fn door(arguments: &Serve, stop: &Arc<EventFd>) -> Outcome<Door> {
    let command = arguments.command.clone();
    let path = arguments.path.clone();
    let answer_max = arguments.answer_max;
    let stop = Arc::clone(stop);
    Door::create_with(
        move |call| {
            let plan = Plan {
                command: &command,
                answer_max,
                stop: &stop,
            };
            answer(call, &path, &plan)
        },
        Options {
            // With threads of its own their ceiling is the limit of commands that run at once.
            attributes: DoorAttributes::PRIVATE,
            threads: PoolLimits::new(1, arguments.max),
            ..Options::default()
        },
    )
    .map_err(|error| Failure::door("create a door for", &arguments.path, &error))
}

fn attach(door: &Door, arguments: &Serve) -> Outcome<Vec<Attachment>> {
    let path = arguments.path.as_path();
    let fail = |error| Failure::door("serve", path, &error);
    if path != Path::new("-") {
        return Ok(vec![door.attach(path, arguments.mode).map_err(fail)?]);
    }
    let listeners = doors::inherited_listeners().map_err(fail)?;
    if listeners.is_empty() {
        return Err(Failure::new(
            "no listening socket was passed (LISTEN_FDS); start with `systemd-socket-activate --seqpacket`, \
             or give a path",
        ));
    }
    let attached = listeners
        .into_iter()
        .map(|listener| door.attach_inherited(listener));
    attached.collect::<Result<_, _>>().map_err(fail)
}

/// Runs the command for one call.
fn answer(mut call: Invocation<'_>, path: &Path, plan: &Plan<'_>) -> Returned {
    let caller = call.caller();
    let outcome = event().map(|cancelled| {
        let cancelled = Arc::new(cancelled);
        let told = Arc::clone(&cancelled);
        call.on_cancel(move || {
            let _full = told.write(1);
        });
        let descriptors = call.take_descriptors();
        plan.run(call.data(), descriptors, &caller, &cancelled)
    });
    let (output, verdict) = outcome.unwrap_or_else(|failure| {
        let verdict = Verdict {
            reason: failure.text,
            complaint: String::new(),
        };
        (Vec::new(), Some(verdict))
    });
    let Some(verdict) = verdict else {
        return call.door_return(&output, vec![]);
    };
    let which = format!("call on {} by {}", path.display(), who(&caller));
    log(&format!("{which}: {}", verdict.reason));
    match verdict::write(&verdict) {
        Ok(descriptor) => call.door_return(&output, vec![descriptor.into()]),
        Err(error) => {
            // Without a descriptor to say so, no answer must not look like an answer.
            log(&format!("{which}: cannot tell the caller: {error}"));
            let (held, returned) = call.hold();
            drop(held);
            returned
        }
    }
}

/// The caller, for the log.
fn who(caller: &Caller) -> String {
    match caller {
        Caller::Known(caller) => format!("process {} of user {}", caller.pid(), caller.uid()),
        _ => "a process of another namespace".into(),
    }
}

/// Lets the calls that run finish, within the grace or until a second signal; then ends their commands.
fn finish(grace: Duration, stop: &Arc<EventFd>, mut signals: Signals) {
    let impatient = Arc::clone(stop);
    thread::spawn(move || {
        let _second = signals.forever().next();
        let _full = impatient.write(1);
    });
    // Held until the end: nothing new shall begin.
    let drained = doors::drain(after(grace));
    if drained
        .as_ref()
        .is_ok_and(|drained| drained.unfinished() > 0)
    {
        let _full = stop.write(1);
        let _ended = doors::drain(after(attend::ENDS_WITHIN));
    }
}

fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}

fn event() -> Outcome<EventFd> {
    EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map_err(|error| Failure {
        status: Status::NotExecuted,
        text: format!("cannot make an eventfd: {error}"),
    })
}

fn log(line: &str) {
    let _unheard = writeln!(io::stderr(), "doors serve: {line}");
}
