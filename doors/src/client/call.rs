//! A channel for a call through a session.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::time::Duration;

use try_lock::Locked;

use super::arguments::Arguments;
use super::channel::{Channel, State};
use super::establish::Link;
use super::exchange::run;
use super::petition::deadline;
use super::session::Session;
use crate::error::CallCondition;
use crate::primitive::Ordering;
use crate::wire::limits::{DESCRIPTORS, LARGEST_CALL_BYTES};
use crate::wire::message::Message;

thread_local! {
    /// The channel that this thread used last: it is warm, and nobody else wants it.
    static LAST: Cell<usize> = const { Cell::new(0) };
}

/// How often a caller that waits for a channel looks by itself.
const STARVED_LOOK: Duration = Duration::from_millis(10);

/// Calls; appends the results to `out` and returns the descriptors.
#[inline]
pub(crate) fn call(
    link: &Link,
    arguments: &Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    let total = u64::try_from(arguments.data.len()).unwrap_or(u64::MAX);
    if total > LARGEST_CALL_BYTES {
        return Err(CallCondition::DataSize {
            len: arguments.data.len(),
            limit: LARGEST_CALL_BYTES,
        });
    }
    let count = arguments.count;
    if count > DESCRIPTORS {
        return Err(CallCondition::TooManyDescriptors {
            count,
            limit: u64::try_from(DESCRIPTORS).unwrap_or(u64::MAX),
        });
    }
    let session = link.session();
    let hint = session.channels.get(LAST.get());
    let quick = hint.and_then(|channel| channel.try_take(link.pool).map(|state| (channel, state)));
    let result = match quick {
        Some((channel, state)) => run(link, channel, state, arguments, out),
        None => slow(link, arguments, out),
    };
    // The channel was let go by a plain store, which this load may pass: whoever waits looks by itself every 10 ms, and
    // a barrier at each call would cost all others more.
    if session.starved.load(Ordering::Relaxed) != 0 {
        session.channel_freed();
    }
    result
}

/// As [`call`], where its code must not lie between that of a call which finds everything in place.
#[inline(never)]
pub(crate) fn call_apart(
    link: &Link,
    arguments: &Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    call(link, arguments, out)
}

/// As [`run`], for the same reason.
#[inline(never)]
fn run_apart<'a>(
    link: &'a Link,
    channel: &'a Channel,
    state: Locked<'a, State>,
    arguments: &'a Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    run(link, channel, state, arguments, out)
}

/// Finds a free channel, asks for more, or waits for one.
#[cold]
fn slow(
    link: &Link,
    arguments: &Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    let session = link.session();
    loop {
        let channels = &session.channels;
        // One of its own pool first: those that belong to none are left for pools that have none.
        for take in [Channel::try_take, Channel::adopt] {
            for (place, channel) in channels.iter().enumerate() {
                if let Some(state) = take(channel, link.pool) {
                    LAST.set(place);
                    return run_apart(link, channel, state, arguments, out);
                }
            }
        }
        let before = channels.len();
        let asked = session.ask(arguments.until, |wanted| Message::Grow {
            wanted,
            channel: 0,
            area_bytes: 0,
        });
        match asked {
            Ok(_) => continue,
            Err(CallCondition::NoRoom) => {}
            Err(other) => return Err(arguments.not_begun(other)),
        }
        // There will be no more: one that served another pool is as good, which may be gone with its private door.
        for (place, channel) in channels.iter().enumerate() {
            if let Some(state) = channel.try_take_any() {
                channel.move_to(link.pool);
                LAST.set(place);
                return run_apart(link, channel, state, arguments, out);
            }
        }
        wait_for_channel(session, before, arguments)?;
    }
}

/// All channels are busy and there will be no more: wait for one, with the call's deadline.
fn wait_for_channel(
    session: &Session,
    before: usize,
    arguments: &Arguments<'_>,
) -> Result<(), CallCondition> {
    let until = arguments.until;
    let is_free = || {
        let channels = &session.channels;
        channels.len() > before || channels.iter().any(|c| c.try_take_any().is_some())
    };
    session.starved.fetch_add(1, Ordering::SeqCst);
    let free = loop {
        // Nobody here can tell when the server has finished with a call that was given up: look now and then.
        let look = deadline(STARVED_LOOK);
        let next = until.map_or(look, |until| until.min(look));
        if session.wait_for_change(Some(next), is_free) {
            break true;
        }
        if arguments.is_cancelled() || until.is_some_and(|until| until <= next) {
            break false;
        }
    };
    session.starved.fetch_sub(1, Ordering::SeqCst);
    if session.is_dead() {
        Err(CallCondition::ServerDied { taken: false })
    } else if free {
        Ok(())
    } else {
        Err(CallCondition::TimedOut { taken: false })
    }
}
