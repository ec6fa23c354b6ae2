//! Foreign code that panics where a library does not look for a panic. (Without the message of a panic, and in nothing
//! else different.)

use std::panic::resume_unwind;

use doors::{Invocation, Returned};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Panics when it is dropped; what that panic carries does so too, so many times.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(left) = self.0.checked_sub(1) {
            resume_unwind(Box::new(Bomb(left)));
        }
    }
}

/// Answers, or not, and leaves a bomb behind.
pub(super) fn leave(mut call: Invocation<'_>, word: &str) -> Returned {
    match word {
        "bomb-panic" => resume_unwind(Box::new(Bomb(3))),
        "bomb-return" => {
            set(&mut call);
            call.door_return(b"returned", vec![])
        }
        "bomb-now" => {
            set(&mut call);
            let returned = call.door_reply_now(b"now", vec![]);
            returned.unwrap_or_else(|(call, _)| call.door_return(b"", vec![]))
        }
        "bomb-hold" => {
            set(&mut call);
            let (held, returned) = call.hold();
            std::thread::spawn(move || held.door_return(b"held", vec![]).unwrap());
            returned
        }
        "bomb-trace" => {
            tracing::subscriber::set_global_default(Panics).unwrap();
            call.door_return(b"traced", vec![])
        }
        other => call.door_return(format!("? {other}").as_bytes(), vec![]),
    }
}

/// What the callback owns is dropped when the call is over.
fn set(call: &mut Invocation<'_>) {
    let bomb = Bomb(3);
    call.on_cancel(move || drop(bomb));
}

/// A subscriber that panics at every event.
struct Panics;

impl Subscriber for Panics {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {
        resume_unwind(Box::new(Bomb(2)));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}
