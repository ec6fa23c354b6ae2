//! A server of a door, by hand.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{SockFlag, accept4};

use super::packet::{Fields, Packet, kind};
use super::socket::{Heard, listen, receive, send, try_receive};
use super::window::{Window, memfd};

const WORDS: usize = 256;

/// A name under which a bad server waits.
#[derive(Debug)]
pub struct Host(OwnedFd);

impl Host {
    /// Listens.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(listen(path))
    }

    /// The next connection.
    #[must_use]
    pub fn accept(&self) -> OwnedFd {
        let mut polled = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        assert!(poll(&mut polled, PollTimeout::from(20_000_u16)).unwrap() > 0);
        let number = accept4(self.0.as_raw_fd(), SockFlag::SOCK_CLOEXEC).unwrap();
        own(number)
    }
}

#[expect(
    unsafe_code,
    clippy::disallowed_methods,
    reason = "accept4 returns a raw number"
)]
fn own(number: i32) -> OwnedFd {
    // SAFETY: accept4 has just installed this number for us alone.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// What a server offers for windows: every part can be a lie.
#[derive(Debug)]
pub struct Offer {
    /// The number of the request it answers.
    pub wanted: u64,
    /// The pair's number.
    pub pair: u32,
    /// The first channel.
    pub first: u32,
    /// How many channels.
    pub channels: u32,
    /// Bytes of each area.
    pub area: u64,
    /// What is sent along.
    pub fds: Vec<OwnedFd>,
}

/// The seals of a window that stays writable for its owner.
fn base_seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW
}

/// The seals of a window that nobody else can write.
fn closed_seals() -> SealFlag {
    SealFlag::from_bits_retain(0x10) | SealFlag::F_SEAL_SEAL
}

/// A client that said HELLO to us.
#[derive(Debug)]
pub struct Guest {
    /// The private end that it gave us.
    pub socket: OwnedFd,
    /// The call window, which it stores into, once offered.
    pub call: Option<Window>,
    /// The reply window, which we store into.
    pub reply: Option<Window>,
}

impl Guest {
    /// Receives a HELLO on a connection.
    #[must_use]
    pub fn greet(connection: &OwnedFd) -> Self {
        Self::of(receive(connection).expect("a HELLO"))
    }

    /// Whose HELLO this is.
    #[must_use]
    pub fn of(heard: Heard) -> Self {
        let _hello = Fields::of(&heard.bytes, kind::HELLO);
        Self {
            socket: heard.fds.into_iter().next().unwrap(),
            call: None,
            reply: None,
        }
    }

    /// An honest offer of `channels` channels (or one area), kept mapped here.
    pub fn honest(&mut self, pair: u32, channels: u32, area: usize) -> Offer {
        let count = usize::try_from(channels).unwrap();
        let len = (count * WORDS).next_multiple_of(4096) + count.max(1) * area;
        let call = memfd(len, base_seals());
        let reply = memfd(len, base_seals());
        self.call = Some(Window::map(&call, len, false).unwrap());
        self.reply = Some(Window::map(&reply, len, true).unwrap());
        fcntl(&reply, FcntlArg::F_ADD_SEALS(closed_seals())).unwrap();
        Offer {
            wanted: 0,
            pair,
            first: 0,
            channels,
            area: u64::try_from(area).unwrap(),
            fds: vec![call, reply],
        }
    }

    /// Sends an offer of session 7.
    pub fn offer(&self, offer: &Offer) {
        let packet = Packet::new(kind::WINDOWS)
            .u64(offer.wanted)
            .u128(7)
            .u32(offer.pair)
            .u32(offer.first)
            .u32(offer.channels)
            .u64(offer.area);
        let fds: Vec<_> = offer.fds.iter().map(AsFd::as_fd).collect();
        let _gone = send(&self.socket, &packet.bytes(), &fds);
    }

    /// Says that the door is registered in session 7.
    pub fn registered(&self) {
        let packet = Packet::new(kind::REGISTERED)
            .u128(7)
            .u64(1)
            .u64(99)
            .u64(0)
            .u32(0)
            .u32(1024)
            .u64(0)
            .u64(u64::MAX);
        self.say(&packet);
    }

    /// Sends a packet; the client may have gone.
    pub fn say(&self, packet: &Packet) {
        let _gone = send(&self.socket, &packet.bytes(), &[]);
    }

    /// The next packet of the client.
    #[must_use]
    pub fn hear(&self) -> Option<Heard> {
        receive(&self.socket)
    }

    /// The whole handshake with four channels of 16 KiB.
    #[must_use]
    pub fn welcome(connection: &OwnedFd) -> Self {
        let mut guest = Self::greet(connection);
        let offer = guest.honest(0, 4, 16 * 1024);
        guest.offer(&offer);
        guest.registered();
        let mapped = guest.hear().expect("MAPPED");
        let _mapped = Fields::of(&mapped.bytes, kind::MAPPED);
        guest.say(&Packet::new(kind::READY).u64(0).u32(0));
        guest
    }

    /// Waits until the client has published a turn on a channel other than `last`; the turn. `None` if it has gone.
    #[must_use]
    pub fn next_turn(&self, channel: usize, last: u32) -> Option<u32> {
        let call = self.call.as_ref().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let turn = call.load(channel * WORDS);
            if turn != last {
                return Some(turn);
            }
            if matches!(
                try_receive(&self.socket),
                Ok(None) | Err(nix::errno::Errno::ECONNRESET)
            ) {
                return None;
            }
            assert!(Instant::now() < until, "no call comes");
            std::thread::yield_now();
        }
    }

    /// Says where the part of the next answer begins in the area of the first channel; at its beginning otherwise.
    pub fn say_part_at(&self, part_at: u32) {
        self.reply.as_ref().unwrap().store(40, part_at);
    }

    /// Answers a turn of channel 0: answer, generation, total, part, descriptors, code.
    pub fn answer(&self, turn: u32, words: (u32, u64, u64, u32, u32, u32)) {
        let reply = self.reply.as_ref().unwrap();
        let (answer, generation, total, part, descriptors, code) = words;
        reply.store(4, answer);
        reply.store_long(8, generation);
        reply.store_long(16, total);
        reply.store(24, part);
        reply.store(28, descriptors);
        reply.store(32, code);
        reply.store(0, turn);
        reply.wake(0);
    }
}
