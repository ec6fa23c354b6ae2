//! A client of a door, by hand.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::packet::{Fields, Packet, kind};
use super::socket::{Heard, pair, receive, send, try_receive};
use super::window::Window;

const WORDS: usize = 256;
/// Data of so many bytes in all travel among the words.
const SMALL_CALL: usize = 16;
/// Results of so many bytes in all do.
const SMALL_REPLY: usize = 24;

/// The words of a turn.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// 1 a call, 2 more arguments, 3 more results.
    pub step: u32,
    /// The turn with which the call began.
    pub generation: u64,
    /// The door.
    pub registration: u64,
    /// Bytes in all.
    pub total: u64,
    /// Bytes of this part.
    pub part: u32,
    /// Where it begins in the area, if there are more than fit among the words.
    pub part_at: u32,
    /// The pair whose area is used.
    pub pair: u32,
    /// Descriptors sent before.
    pub descriptors: u32,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered: 1 returned, 2 part, 3 more, 4 failed; the code; bytes in all.
    Answer(u32, u32, u64),
    /// The server ended the session.
    Over,
}

/// What the first packets said.
#[derive(Clone, Copy, Debug)]
pub struct Ledger {
    /// The session's id.
    pub id: u128,
    /// The number of the first pair.
    pub pair: u32,
    /// Its channels.
    pub channels: u32,
    /// Bytes of an area.
    pub area: usize,
    /// The door's registration.
    pub registration: u64,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    /// The private end.
    pub socket: OwnedFd,
    /// What the first packets said.
    pub ledger: Ledger,
    /// The memory of the call window.
    pub call_memory: OwnedFd,
    /// The memory of the reply window.
    pub reply_memory: OwnedFd,
    /// What we store.
    pub call: Window,
    /// What the server stores.
    pub reply: Window,
    /// The last turn of channel 0.
    pub turn: u64,
}

/// Asks for a fresh token.
#[must_use]
pub fn remint(token: impl AsFd) -> OwnedFd {
    let (ours, theirs) = pair();
    send(token, &Packet::new(kind::REMINT).bytes(), &[theirs.as_fd()]).unwrap();
    drop(theirs);
    let heard = receive(&ours).unwrap();
    let _door = Fields::of(&heard.bytes, kind::TOKEN);
    heard.fds.into_iter().next().unwrap()
}

impl Session {
    /// Says HELLO and hears the offer; nothing is acknowledged.
    #[must_use]
    pub fn begin(token: impl AsFd) -> Self {
        let (ours, theirs) = pair();
        let hello = Packet::new(kind::HELLO).u32(1).bytes();
        send(token, &hello, &[theirs.as_fd()]).unwrap();
        drop(theirs);
        let Heard { bytes, fds } = receive(&ours).expect("windows");
        let mut fields = Fields::of(&bytes, kind::WINDOWS);
        let (_wanted, id, pair) = (fields.u64(), fields.u128(), fields.u32());
        let (_first, channels, area) = (fields.u32(), fields.u32(), fields.u64());
        let [call_memory, reply_memory] = <[OwnedFd; 2]>::try_from(fds).unwrap();
        let bytes = receive(&ours).expect("the registration").bytes;
        let mut fields = Fields::of(&bytes, kind::REGISTERED);
        let (_session, registration) = (fields.u128(), fields.u64());
        let area = usize::try_from(area).unwrap();
        let count = usize::try_from(channels).unwrap();
        let len = (count * WORDS).next_multiple_of(4096) + count * area;
        Self {
            socket: ours,
            ledger: Ledger {
                id,
                pair,
                channels,
                area,
                registration,
            },
            call: Window::map(&call_memory, len, true).unwrap(),
            reply: Window::map(&reply_memory, len, false).unwrap(),
            call_memory,
            reply_memory,
            turn: 0,
        }
    }

    /// The whole handshake.
    #[must_use]
    pub fn open(token: impl AsFd) -> Self {
        let session = Self::begin(token);
        session.say(&Packet::new(kind::MAPPED).u32(session.ledger.pair));
        let _ready = Fields::of(&session.hear().bytes, kind::READY);
        session
    }

    /// Sends a packet.
    pub fn say(&self, packet: &Packet) {
        send(&self.socket, &packet.bytes(), &[]).unwrap();
    }

    /// The next packet.
    #[must_use]
    pub fn hear(&self) -> Heard {
        receive(&self.socket).expect("the session is over")
    }

    /// Where the area of a channel begins.
    #[must_use]
    pub fn area_at(&self, channel: usize) -> usize {
        let channels = usize::try_from(self.ledger.channels).unwrap();
        (channels * WORDS).next_multiple_of(4096) + channel * self.ledger.area
    }

    /// An honest head for a call with so many bytes.
    #[must_use]
    pub fn head(&self, len: usize) -> Head {
        Head {
            step: 1,
            generation: self.turn + 1,
            registration: self.ledger.registration,
            total: u64::try_from(len).unwrap(),
            part: u32::try_from(len).unwrap(),
            part_at: 0,
            pair: self.ledger.pair,
            descriptors: 0,
        }
    }

    /// Puts the data of a call where they belong: among the words if they are small, else into the area.
    pub fn put(&self, channel: usize, data: &[u8]) {
        let at = if data.len() <= SMALL_CALL {
            channel * WORDS + 48
        } else {
            self.area_at(channel)
        };
        self.call.write(at, data);
    }

    /// The results of a call, of so many bytes in all, that came in one part.
    #[must_use]
    pub fn results(&self, channel: usize, len: usize) -> Vec<u8> {
        let at = if len <= SMALL_REPLY {
            channel * WORDS + 40
        } else {
            let part_at = self.reply.load(channel * WORDS + 40);
            self.area_at(channel) + usize::try_from(part_at).unwrap()
        };
        self.reply.read(at, len)
    }

    /// Stores a head and a turn on a channel; wakes and rings in any case.
    pub fn publish(&self, channel: usize, head: &Head, turn: u32) {
        self.publish_silently(channel, head, turn);
        self.call.wake(channel * WORDS);
        let _over = send(&self.socket, &Packet::new(kind::RING).bytes(), &[]);
    }

    /// Stores a head and a turn on a channel; tells nobody.
    pub fn publish_silently(&self, channel: usize, head: &Head, turn: u32) {
        let at = channel * WORDS;
        self.call.store(at + 4, head.step);
        self.call.store_long(at + 8, head.generation);
        self.call.store_long(at + 16, head.registration);
        self.call.store_long(at + 24, head.total);
        self.call.store(at + 32, head.part);
        self.call.store(at + 36, head.pair);
        self.call.store(at + 40, head.descriptors);
        if head.total > 16 {
            self.call.store(at + 48, head.part_at);
        }
        self.call.store(at, turn);
    }

    /// Waits until no thread of the server is at a channel.
    pub fn until_quiet(&self, channel: usize) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.reply.load(channel * WORDS + 64) != 0 {
            assert!(Instant::now() < until, "a channel without calls is staffed");
            std::thread::yield_now();
        }
    }

    /// Registers the door of a token in this session; the number.
    #[must_use]
    pub fn register(&self, token: impl AsFd) -> u64 {
        let (ours, theirs) = pair();
        let register = Packet::new(kind::REGISTER).u128(self.ledger.id);
        send(token, &register.bytes(), &[theirs.as_fd()]).unwrap();
        drop(theirs);
        let heard = receive(&ours).unwrap();
        let mut fields = Fields::of(&heard.bytes, kind::REGISTERED);
        let (_session, registration) = (fields.u128(), fields.u64());
        registration
    }

    /// Waits for the answer to a turn of a channel.
    #[must_use]
    pub fn wait(&self, channel: usize, turn: u32) -> Outcome {
        let at = channel * WORDS;
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            if self.reply.load(at) == turn {
                let total = self.reply.load_long(at + 16);
                return Outcome::Answer(self.reply.load(at + 4), self.reply.load(at + 32), total);
            }
            if matches!(
                try_receive(&self.socket),
                Ok(None) | Err(nix::errno::Errno::ECONNRESET)
            ) {
                return Outcome::Over;
            }
            assert!(Instant::now() < until, "no answer to a turn");
            std::thread::yield_now();
        }
    }

    /// Makes a turn on channel 0 with a head of the caller's making.
    pub fn turn(&mut self, head: &Head) -> Outcome {
        self.turn += 1;
        let turn = u32::try_from(self.turn).unwrap();
        self.publish(0, head, turn);
        self.wait(0, turn)
    }

    /// Makes a call on channel 0; the results.
    pub fn call(&mut self, data: &[u8]) -> Vec<u8> {
        self.put(0, data);
        let head = self.head(data.len());
        let outcome = self.turn(&head);
        let Outcome::Answer(1, 0, total) = outcome else {
            panic!("an honest call failed: {outcome:?}");
        };
        self.results(0, usize::try_from(total).unwrap())
    }
}
