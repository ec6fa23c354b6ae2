//! What a server sends on the connection of a first call.

use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::First;
use crate::client::condition::condition;
use crate::error::CallCondition;
use crate::sys::process::Process;
use crate::sys::socket::Received;
use crate::sys::{closer, memfd};
use crate::wire::code::Failure;
use crate::wire::layout::usize_of;
use crate::wire::limits::{DESCRIPTORS, FIRST_GENERATION, LARGEST_CALL_BYTES};
use crate::wire::message::{Message, Violation};

impl First<'_, '_> {
    /// Takes a packet; the descriptors of the reply if the call is over.
    pub(super) fn packet(
        &mut self,
        mut received: Received,
        out: &mut Vec<u8>,
    ) -> Result<Option<Vec<OwnedFd>>, CallCondition> {
        let broken = |violation, taken| Err(CallCondition::Protocol { violation, taken });
        if received.cut || received.fds_lost {
            return Err(CallCondition::ReplyLost);
        }
        let first = !std::mem::replace(&mut self.arrived, true);
        let fds = &mut received.fds;
        let bytes = self.buffer.get(..received.len).unwrap_or_default();
        let (message, payload) = match Message::decode(bytes) {
            Ok(decoded) => decoded,
            Err(violation) => return broken(violation, true),
        };
        // Of a reply that comes first, and ends the call, nobody asks who sent it.
        if !(first && matches!(message, Message::Reply { .. })) {
            identify(&mut self.server, received.pidfd.take(), received.pid)?;
        }
        if names_another_call(&message) {
            return broken(Violation::Turn, true);
        }
        if !fds.is_empty() && !brings_descriptors(&message) {
            return broken(Violation::Descriptors, true);
        }
        match message {
            Message::Queued { .. } => Ok(None),
            Message::Taken { .. } => {
                self.taken = true;
                Ok(None)
            }
            Message::Descriptors { index, .. } => {
                self.taken = true;
                if index == 0 {
                    self.early.discard();
                    // Before more is taken than the closers are done with, they are waited for.
                    let account = self.connection.account();
                    if account.is_over() && !closer::wait_for(account, self.arguments.until) {
                        return broken(Violation::Descriptors, true);
                    }
                }
                let sum = self.early.len().saturating_add(fds.len());
                if sum > DESCRIPTORS || usize_of(index) != self.early.len() {
                    return broken(Violation::Descriptors, true);
                }
                self.early.append(fds);
                Ok(None)
            }
            Message::Reply {
                code: 0,
                descriptors,
                bytes,
                ..
            } => {
                if self.early.len() != usize_of(descriptors) {
                    return broken(Violation::Descriptors, true);
                }
                take_data(payload, bytes, fds, out)?;
                Ok(Some(self.early.take()))
            }
            Message::Reply { code, bytes, .. } => match Failure::from_number(code) {
                Some(Failure::Abandoned) => Err(CallCondition::TimedOut { taken: false }),
                Some(code) => Err(condition(code, bytes, self.arguments)),
                None => broken(Violation::Value, true),
            },
            _ => broken(Violation::Turn, true),
        }
    }
}

/// Who answers: always the same process.
fn identify(
    server: &mut Option<Process>,
    pidfd: Option<OwnedFd>,
    pid: i32,
) -> Result<(), CallCondition> {
    let sender = match pidfd {
        Some(pidfd) => Process::from_pidfd(pidfd),
        None => Process::open(pid),
    };
    match (sender, &*server) {
        (Ok(sender), None) => {
            *server = Some(sender);
            Ok(())
        }
        (Ok(sender), Some(first)) if first.same_as(&sender).unwrap_or(false) => Ok(()),
        // It answered and died: what it said stands, and the connection will end.
        (Err(_), _) => Ok(()),
        (Ok(_), Some(_)) => Err(CallCondition::Protocol {
            violation: Violation::Sender,
            taken: true,
        }),
    }
}

/// Whether a packet of a first call is about another one: there is one only.
fn names_another_call(message: &Message) -> bool {
    match *message {
        Message::Queued { generation }
        | Message::Taken { generation }
        | Message::Descriptors { generation, .. }
        | Message::Reply { generation, .. } => generation != FIRST_GENERATION,
        _ => false,
    }
}

/// Whether descriptors may come with a packet.
fn brings_descriptors(message: &Message) -> bool {
    matches!(
        message,
        Message::Descriptors { .. } | Message::Reply { code: 0, .. }
    )
}

/// The data of a reply: in the packet, or in a frozen memfd.
fn take_data(
    payload: &[u8],
    bytes: u64,
    fds: &[OwnedFd],
    out: &mut Vec<u8>,
) -> Result<(), CallCondition> {
    let broken = CallCondition::Protocol {
        violation: Violation::Memory,
        taken: true,
    };
    let too_large = CallCondition::ReplyTooLarge { len: bytes };
    if u64::try_from(payload.len()) == Ok(bytes) {
        out.try_reserve(payload.len()).map_err(|_| too_large)?;
        out.extend_from_slice(payload);
        return Ok(());
    }
    if bytes > LARGEST_CALL_BYTES {
        return Err(too_large);
    }
    let len = usize::try_from(bytes).map_err(|_| too_large.clone())?;
    let [memory] = fds else {
        return Err(broken);
    };
    memfd::read_frozen(memory, len, out).map_err(|error| match error {
        Errno::ENOMEM => too_large,
        _ => broken,
    })
}
