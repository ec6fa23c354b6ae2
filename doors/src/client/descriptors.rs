//! The descriptors of a call and of its reply, over the channel's own socket.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;

use super::arguments::Arguments;
use super::channel::Channel;
use super::petition::deadline;
use super::session::Session;
use crate::channel::descriptors::{Gathered, Gathering, send_all};
use crate::error::CallCondition;
use crate::wire::limits::PROTOCOL_DEADLINE;
use crate::wire::message::Message;

/// Descriptor sockets may be closed under our hands, each time that the channel falls quiet.
const SOCKETS_TRIED: usize = 8;

/// Sends the descriptors of a call.
#[cold]
pub(super) fn send(
    session: &Session,
    channel: &Channel,
    generation: u64,
    arguments: &Arguments<'_>,
) -> Result<(), CallCondition> {
    let index = channel.index;
    for _ in 0..SOCKETS_TRIED {
        let Some(socket) = channel.socket() else {
            session.ask(arguments.until, |wanted| Message::WantSocket {
                wanted,
                channel: index,
            })?;
            continue;
        };
        match arguments.hand_over(|all| send_all(&socket, generation, all)) {
            Ok(()) => return Ok(()),
            // The server closes the socket of a channel that falls quiet; nothing that it took gets lost with it.
            Err(Errno::EPIPE | Errno::ECONNRESET) => channel.drop_socket(&socket),
            Err(Errno::ETOOMANYREFS | Errno::EAGAIN) => return Err(CallCondition::NoRoom),
            Err(source) => {
                return Err(CallCondition::System {
                    op: "send the descriptors",
                    source,
                    taken: false,
                });
            }
        }
    }
    Err(CallCondition::NoRoom)
}

/// Receives the descriptors of a reply: the server sent them before it published.
pub(super) fn receive(
    session: &Session,
    channel: &Channel,
    mut gathering: Gathering,
    until: Option<Instant>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    let protocol = deadline(PROTOCOL_DEADLINE);
    let until = until.map_or(protocol, |until| until.min(protocol));
    loop {
        // Before the look at what is there: what came before the end of the time or of the session counts.
        let last = session.is_dead() || Instant::now() >= until;
        if channel.take_socket_lost() {
            return Err(CallCondition::ReplyLost);
        }
        // The socket itself comes over the session socket, through the watcher, and may still be on its way.
        let socket = channel.socket();
        let gathered = match &socket {
            Some(socket) => gathering.receive(socket),
            None => Gathered::Closed,
        };
        match gathered {
            Gathered::All => return Ok(gathering.take()),
            Gathered::Lost => return Err(CallCondition::ReplyLost),
            Gathered::Stuck => {
                session.die();
                return Err(CallCondition::ReplyLost);
            }
            Gathered::Missing | Gathered::Closed if last => {
                return Err(CallCondition::ReplyLost);
            }
            Gathered::Missing | Gathered::Closed => {}
        }
        // A server that sends one socket after the other does not stop the clock.
        session.wait_for_change(Some(until), || {
            channel.is_socket_lost()
                || match (channel.socket(), &socket) {
                    (Some(now), Some(before)) => !Arc::ptr_eq(&now, before),
                    (now, _) => now.is_some(),
                }
        });
    }
}
