//! Who petitions.

use std::sync::Arc;

use nix::errno::Errno;

use crate::cred::Caller;
use crate::sys::account::Account;
use crate::sys::peer::peer_pidfd;
use crate::sys::process::Process;
use crate::sys::shared::Shared;
use crate::sys::socket::{self, Received, sent_by};
use crate::wire::code::Failure;
use crate::wire::message::{Message, Violation};

/// The user of whom nobody knows the number.
pub(super) const NOBODY: u32 = u32::MAX;

/// Who petitions, and where the answer goes.
pub(super) struct Petitioner {
    pub(super) process: Arc<Process>,
    pub(super) caller: Caller,
    pub(super) private: Shared,
}

impl Petitioner {
    /// From the descriptors and the kernel's stamp of a packet. What comes on the private end is charged to `account`,
    /// as the packet was.
    pub(super) fn of(received: &mut Received, account: &Account) -> Result<Self, Violation> {
        let [private] = received.fds.as_slice() else {
            return Err(Violation::Descriptors);
        };
        if received.fds_lost || !socket::is_packet_socket(private) {
            return Err(Violation::Descriptors);
        }
        let private = received.fds.pop().ok_or(Violation::Descriptors)?;
        let private = Shared::new(private, account);
        let process = peer_pidfd(&private)
            .map(Arc::new)
            .map_err(|_| Violation::Sender)?;
        if !sent_by(received, &process) {
            return Err(Violation::Sender);
        }
        let caller = Caller::of_socket(&private, &process).map_err(|_| Violation::Sender)?;
        // The other end was made by the client, perhaps blocking and without stamps; ours is set up here.
        let flags = nix::fcntl::OFlag::O_NONBLOCK;
        nix::fcntl::fcntl(&private, nix::fcntl::FcntlArg::F_SETFL(flags))
            .map_err(|_| Violation::Descriptors)?;
        socket::name_senders(&private).map_err(|_| Violation::Descriptors)?;
        Ok(Self {
            process,
            caller,
            private,
        })
    }

    /// Whose quota it is; one who is unknown shares it with all that are.
    pub(super) fn uid(&self) -> u32 {
        payer(&self.caller)
    }

    pub(super) fn answer(&self, message: &Message) -> Result<(), Errno> {
        socket::send(&self.private, &[&message.encode(0)], &[])
    }

    /// A petitioner that does not listen is not waited for.
    pub(super) fn refuse(&self, code: Failure) {
        let _gone = self.answer(&Message::Refused {
            wanted: 0,
            code: code.number(),
        });
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_gone(&self) -> bool {
        socket::is_hung_up(&self.private)
    }
}

/// Whose quota pays for what a caller makes us hold; one who is unknown shares it with all that are.
pub(super) fn payer(caller: &Caller) -> u32 {
    match caller {
        Caller::Known(credentials) => credentials.uid(),
        Caller::Unknown => NOBODY,
    }
}
