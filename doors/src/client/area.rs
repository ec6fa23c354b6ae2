//! A larger area for a channel whose data do not fit its own, or that has much to do.

use std::time::Instant;

use super::channel::{Channel, State};
use super::session::{Granted, Session};
use crate::channel::parts::RING_BYTES;
use crate::error::CallCondition;
use crate::wire::message::Message;

/// After so many bytes a channel asks for the best area there is. It takes 2 ms to make and to map one, and saves some
/// 0.15 us per KiB.
const EVIDENCE_BYTES: usize = 16 * 1024 * 1024;
/// Data of so many bytes are evidence enough.
const LARGE_BYTES: usize = 1024 * 1024;

/// Gets the channel an area that suits a call with so many bytes.
#[inline]
pub(super) fn suit(
    session: &Session,
    channel: &Channel,
    state: &mut State,
    len: usize,
    until: Option<Instant>,
) -> Result<(), CallCondition> {
    if len > state.area.shape.area_bytes() || state.moved > EVIDENCE_BYTES {
        enlarge(session, channel, state, len, until)
    } else {
        Ok(())
    }
}

/// Gets the channel an area that takes `len` bytes, or as many at a time as are copied fastest.
#[cold]
pub(super) fn enlarge(
    session: &Session,
    channel: &Channel,
    state: &mut State,
    len: usize,
    until: Option<Instant>,
) -> Result<(), CallCondition> {
    let much = state.moved > EVIDENCE_BYTES;
    if much {
        state.moved = 0;
    }
    let wish = if much || len >= LARGE_BYTES {
        RING_BYTES
    } else {
        len.next_power_of_two().min(RING_BYTES)
    };
    if wish <= state.area.shape.area_bytes() {
        return Ok(());
    }
    let area_bytes = u64::try_from(wish).unwrap_or(u64::MAX);
    let (channel, own) = (channel.index, channel.end.0.pair().number);
    match session.ask(until, |wanted| Message::Grow {
        wanted,
        channel,
        area_bytes,
    }) {
        Ok(Granted::Pair(pair)) => {
            let before = state.use_area(pair);
            if before.number != own {
                session.say_unused(before.number);
            }
            Ok(())
        }
        // A quota: the smaller area serves, in more turns.
        Ok(Granted::Socket) | Err(CallCondition::NoRoom) => Ok(()),
        Err(other) => Err(other),
    }
}
