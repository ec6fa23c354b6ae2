//! What is worth a line in the server's log.
//!
//! With the feature `tracing` each of these is an event at the level of a warning; without it they are nothing. The
//! subscriber is foreign code: from a thread that is kept free of it, it is told on another.

use std::fmt::Display;

#[cfg(feature = "tracing")]
use crate::foreign;

/// The access policy refused a caller.
pub(crate) fn caller_refused(door: u64, reason: &dyn Display) {
    #[cfg(feature = "tracing")]
    tell(
        reason,
        move |reason| tracing::warn!(door, %reason, "a caller was refused"),
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (door, reason);
}

/// A peer broke the protocol; its session ends.
pub(crate) fn protocol_broken(peer: i32, violation: &dyn Display) {
    #[cfg(feature = "tracing")]
    tell(violation, move |violation| {
        tracing::warn!(peer, %violation, "a peer broke the protocol");
    });
    #[cfg(not(feature = "tracing"))]
    let _ = (peer, violation);
}

/// A packet on a token was refused; the token itself belongs to others too and stays.
pub(crate) fn packet_refused(door: u64, violation: &dyn Display) {
    #[cfg(feature = "tracing")]
    tell(violation, move |violation| {
        tracing::warn!(door, %violation, "a packet was refused");
    });
    #[cfg(not(feature = "tracing"))]
    let _ = (door, violation);
}

/// The answer of a server procedure did not reach its caller.
pub(crate) fn reply_lost(door: u64, error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tell(error, move |error| {
        tracing::warn!(door, %error, "a reply could not be handed over");
    });
    #[cfg(not(feature = "tracing"))]
    let _ = (door, error);
}

/// A thread of the library caught a panic and goes on.
pub(crate) fn panicked(thread: &str) {
    #[cfg(feature = "tracing")]
    tell(
        &thread,
        |thread| tracing::error!(%thread, "a panic was caught"),
    );
    #[cfg(not(feature = "tracing"))]
    let _ = thread;
}

/// A server thread could not be started; callers wait for those that there are.
pub(crate) fn no_thread(error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tell(
        error,
        |error| tracing::warn!(%error, "no server thread can be started"),
    );
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}

/// Tells the subscriber. Nothing of it runs on a thread that is kept free, not even its word whether it wants to hear. One
/// that panics takes nothing of what the library is doing with it.
#[cfg(feature = "tracing")]
fn tell(what: &dyn Display, emit: impl FnOnce(&dyn Display) + Send + 'static) {
    if !foreign::is_kept_free() {
        let _panicked = foreign::shielded(|| emit(what));
        return;
    }
    if tracing::level_filters::LevelFilter::current() >= tracing::Level::WARN {
        let what = what.to_string();
        foreign::tell(move || emit(&what));
    }
}
