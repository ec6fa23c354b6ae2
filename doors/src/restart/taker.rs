//! The successor's side of a hand-over.

use std::os::fd::{AsFd, OwnedFd};

use super::heirloom::Heirloom;
use super::wire::{Heard, Wire};
use crate::attributes::DoorAttributes;
use crate::error::{DoorCondition, DoorError, Violation};
use crate::params::DoorParams;
use crate::wire::limits::PROTOCOL_DEADLINE;
use crate::wire::message::Message;

/// Takes over the doors of a predecessor that calls [`Drained::hand_over`](crate::Drained::hand_over) on the other end of
/// `from`.
///
/// When it returns, nobody serves them: their callers wait (at most 5 s) for [`Heirloom::serve`].
///
/// # Blocking
/// Until the predecessor has sent everything and has heard that it is here: at most 30 s of silence, each time. It may be
/// called before the predecessor drains, if that takes no longer.
///
/// # Errors
/// [`DoorCondition::NotADoor`] if `from` is no packet socket; [`DoorCondition::NotResponding`] after 30 s of silence,
/// [`DoorCondition::NoDoor`] if the predecessor ended before all was sent, or has changed its mind;
/// [`DoorCondition::Protocol`] for anything that is not a hand-over, [`DoorCondition::NoRoom`] if our descriptor table is full.
/// What had arrived is closed, and the predecessor, if it lives, serves on.
///
/// # Death
/// A predecessor that dies when everything is here is succeeded all the same. If this process dies before it has said that
/// it has everything, the predecessor serves on; afterwards all references die with it.
pub fn take_over(from: impl AsFd) -> Result<Vec<Heirloom>, DoorError> {
    let mut wire = Wire::new(from.as_fd())?;
    let taken = receive_all(&mut wire).and_then(|doors| {
        accept(&mut wire, &doors)?;
        Ok(doors)
    });
    if taken.is_err() {
        // A predecessor that lives learns at once that nobody takes its doors, whoever else has a copy of this end.
        wire.end();
    }
    taken.map_err(DoorError::from)
}

fn receive_all(wire: &mut Wire<'_>) -> Result<Vec<Heirloom>, DoorCondition> {
    let mut doors: Vec<Heirloom> = Vec::new();
    loop {
        let Heard::Packet(message, fd) = wire.receive()? else {
            return Err(DoorCondition::NoDoor);
        };
        if matches!(message, Message::HandEnd { doors: count } if usize::try_from(count) == Ok(doors.len()))
        {
            return Ok(doors);
        }
        add(&mut doors, message, fd)?;
    }
}

fn add(
    doors: &mut Vec<Heirloom>,
    message: Message,
    fd: Option<OwnedFd>,
) -> Result<(), DoorCondition> {
    match (message, fd, doors.last_mut()) {
        (
            Message::HandDoor {
                door,
                attributes,
                desc_max,
                data_min,
                data_max,
            },
            None,
            _,
        ) => {
            let attributes = DoorAttributes::from_bits_truncate(attributes);
            let params = DoorParams {
                desc_max,
                data_min,
                data_max,
            };
            doors.push(Heirloom::new(door, attributes, params));
        }
        (Message::HandListener { restricted }, Some(fd), Some(door)) => {
            door.listeners.push((restricted != 0, fd));
        }
        (Message::HandToken { holder, restricted }, Some(fd), Some(door)) => {
            door.tokens.push((restricted != 0, holder, fd));
        }
        (Message::HandConnection { restricted }, Some(fd), Some(door)) => {
            door.connections.push((restricted != 0, fd));
        }
        (Message::HandEnd { .. }, None, _) => {
            return Err(DoorCondition::Protocol(Violation::Value));
        }
        _ => return Err(DoorCondition::Protocol(Violation::Turn)),
    }
    Ok(())
}

/// Says that everything is here, and waits until the predecessor will not serve any more.
fn accept(wire: &mut Wire<'_>, doors: &[Heirloom]) -> Result<(), DoorCondition> {
    let doors = u32::try_from(doors.len()).unwrap_or(u32::MAX);
    match wire.send(&Message::HandTaken { doors }, None) {
        Ok(()) => {}
        Err(DoorCondition::NoDoor) => return outlive(wire),
        Err(other) => return Err(other),
    }
    let mut heard = wire.receive();
    if matches!(heard, Err(DoorCondition::NotResponding { .. })) {
        // It may be stopped, and go on as soon as we have given up. What it says from now on does not get in, and it
        // learns so; what it has said at this very moment counts.
        wire.refuse_more();
        heard = match wire.try_receive()? {
            Some(last @ Heard::Packet(..)) => Ok(last),
            Some(Heard::End) | None => heard,
        };
    }
    match heard? {
        Heard::Packet(Message::HandDone {}, None) => Ok(()),
        Heard::Packet(..) => Err(DoorCondition::Protocol(Violation::Turn)),
        Heard::End => outlive(wire),
    }
}

/// The predecessor has closed its end without a word: it has changed its mind, unless it is dead.
///
/// A process that is killed closes its descriptors some time before the kernel calls it dead.
fn outlive(wire: &Wire<'_>) -> Result<(), DoorCondition> {
    if wire.other_dies(PROTOCOL_DEADLINE) {
        Ok(())
    } else {
        Err(DoorCondition::NoDoor)
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::super::WITHIN;
    use super::take_over;
    use crate::error::DoorCondition;
    use crate::sys::socket;
    use crate::wire::message::Message;

    /// A predecessor that was stopped for too long cannot let go of anything when it goes on.
    #[test]
    fn who_gives_up_waiting_for_the_last_word_does_not_let_it_in() {
        let (old, new) = socket::pair().unwrap();
        let taker = std::thread::spawn(move || (take_over(&new).map(|doors| doors.len()), new));
        let end = Message::HandEnd { doors: 0 }.encode(0);
        socket::send(&old, &[&end], &[]).unwrap();
        let (outcome, _still_open) = taker.join().unwrap();
        let silent = DoorCondition::NotResponding { within: WITHIN };
        assert_eq!(outcome, Err(silent.into()));
        let done = Message::HandDone {}.encode(0);
        assert_eq!(socket::send(&old, &[&done], &[]), Err(Errno::EPIPE));
    }

    #[test]
    fn the_last_word_is_waited_for() {
        let (old, new) = socket::pair().unwrap();
        for message in [Message::HandEnd { doors: 0 }, Message::HandDone {}] {
            socket::send(&old, &[&message.encode(0)], &[]).unwrap();
        }
        assert!(take_over(&new).unwrap().is_empty());
    }
}
