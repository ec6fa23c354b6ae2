//! A larger area for a channel whose data do not fit its own.

use std::time::Instant;

use super::channel::{Channel, State};
use super::session::{Granted, Session};
use crate::error::CallCondition;
use crate::wire::limits::LARGEST_AREA_BYTES;
use crate::wire::message::Message;

/// Gets the channel an area that takes `len` bytes, as far as one may.
#[cold]
pub(super) fn enlarge(
    session: &Session,
    channel: &Channel,
    state: &mut State,
    len: usize,
    until: Option<Instant>,
) -> Result<(), CallCondition> {
    let wish = len
        .checked_next_power_of_two()
        .unwrap_or(LARGEST_AREA_BYTES);
    let wish = wish.min(LARGEST_AREA_BYTES);
    if wish <= state.area.shape.area_bytes() {
        return Ok(());
    }
    let area_bytes = u64::try_from(wish).unwrap_or(u64::MAX);
    let channel = channel.index;
    match session.ask(until, |wanted| Message::Grow {
        wanted,
        channel,
        area_bytes,
    }) {
        Ok(Granted::Pair(pair)) => {
            state.area = pair;
            Ok(())
        }
        // A quota: the smaller area serves, in more turns.
        Ok(Granted::Socket) | Err(CallCondition::NoRoom) => Ok(()),
        Err(other) => Err(other),
    }
}
