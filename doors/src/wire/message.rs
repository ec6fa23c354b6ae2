//! The control packets: encoded, decoded with every check.
//!
//! A packet is a header of 16 bytes and the fields of its type, all little-endian and without padding:
//! `"door"`, major, minor, type (u16), length of the whole without its payload (u32), payload bytes (u32). Only
//! `Call`, `Reply` and `Described` have a payload.

use super::limits::{MAJOR, MINOR};

/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = 16;
const MAGIC: [u8; 4] = *b"door";

/// What is wrong with a packet. Nothing of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Shorter than its header or its fields.
    #[error("a packet is shorter than its fields")]
    Short,
    /// Bytes after the last field, from a version that has no such field.
    #[error("a packet has bytes after its last field")]
    Trailing,
    /// Not a packet of this protocol.
    #[error("a packet does not begin with the protocol's mark")]
    Magic,
    /// Another major version.
    #[error("the other side speaks protocol version {0}")]
    Version(u8),
    /// A type that does not exist.
    #[error("a packet has the unknown type {0}")]
    Type(u16),
    /// The stated lengths are not those of the packet.
    #[error("a packet states a length that it does not have")]
    Length,
    /// A descriptor is missing, superfluous, or of the wrong kind.
    #[error("a packet's descriptors are not those of its type")]
    Descriptors,
    /// A packet that is not allowed at this point.
    #[error("a packet came out of turn")]
    Turn,
    /// A word or field holds a value that it cannot have.
    #[error("a word holds a value that it cannot have")]
    Value,
    /// The sender is not the process that the conversation belongs to.
    #[error("a packet was sent by another process than the one it stands for")]
    Sender,
    /// Shared memory is not sealed, sized or typed as agreed.
    #[error("shared memory is not sealed, sized or typed as agreed")]
    Memory,
}

/// A fixed-size field.
trait Field: Sized {
    fn put(&self, into: &mut Vec<u8>);
    fn take(from: &mut &[u8]) -> Option<Self>;
}

macro_rules! number_field {
    ($($number:ty),+) => { $(
        impl Field for $number {
            fn put(&self, into: &mut Vec<u8>) {
                into.extend_from_slice(&self.to_le_bytes());
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )+ };
}
number_field!(u32, u64, u128);

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident = $number:literal { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* })+) => {
        /// A control packet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Message { $($(#[$doc])* $name { $($(#[$field_doc])* $field: $kind,)* },)+ }

        impl Message {
            fn number(&self) -> u16 {
                match self { $(Self::$name { .. } => $number,)+ }
            }

            fn put_fields(&self, into: &mut Vec<u8>) {
                match self { $(Self::$name { $($field,)* } => { $($field.put(into);)* let _ = into; })+ }
            }

            fn take_fields(number: u16, from: &mut &[u8]) -> Result<Self, Violation> {
                match number {
                    $($number => Ok(Self::$name { $($field: <$kind>::take(from).ok_or(Violation::Short)?,)* }),)+
                    other => Err(Violation::Type(other)),
                }
            }
        }
    };
}

messages! {
    /// Holder to server, on a token, with a private end: open a session and register this door in it.
    Hello = 1 { channels: u32, }
    /// Holder to server, on a token, with a private end: register this door in a session that exists.
    Register = 2 { session: u128, }
    /// Holder to server, on a token, with a private end: tell about the door.
    Info = 3 { }
    /// Holder to server, on a token, with a private end: give me a fresh token of the same door.
    Remint = 4 { }
    /// Opener to server, on its own connection: the first call, with payload and descriptors.
    Call = 5 { generation: u64, descriptors: u32, }
    /// Opener to server, on its own connection: the first call is given up.
    GiveUp = 6 { generation: u64, }

    /// Server to client, with two memfds (call window, reply window): map them. The pair's channels are
    /// numbered from `first`; with none it is an area for channel `first`.
    Windows = 16 { wanted: u64, session: u128, pair: u32, first: u32, channels: u32, area_bytes: u64, }
    /// Server to client: the pair is sealed and may be used.
    Ready = 17 { wanted: u64, pair: u32, }
    /// Server to client: this door is known to the session under this registration.
    Registered = 18 { session: u128, registration: u64, door: u64, pool: u64, attributes: u32, desc_max: u32, data_min: u64, data_max: u64, }
    /// Server to client: what `Info` asked for; the payload is the histogram, a u64 for each class.
    Described = 19 { door: u64, attributes: u32, desc_max: u32, data_min: u64, data_max: u64, calls: u64, active: u32, sessions: u32, references: u32, threads: u32, oldest_ns: u64, refused: u64, }
    /// Server to client, with a token: what `Remint` asked for.
    Token = 20 { door: u64, }
    /// Server to client: no, with the reason.
    Refused = 21 { wanted: u64, code: u32, }

    /// Client to server: the windows of a pair are mapped here, seal them.
    Mapped = 32 { pair: u32, }
    /// Client to server: a call is published on a quiet channel.
    Ring = 33 { }
    /// Client to server: more channels please (`area_bytes` 0), or an area for this channel.
    Grow = 34 { wanted: u64, channel: u32, area_bytes: u64, }
    /// Client to server: a socket for the descriptors of this channel please.
    WantSocket = 35 { wanted: u64, channel: u32, }
    /// Client to server: the call is given up after it was taken.
    Cancel = 36 { channel: u32, generation: u64, }
    /// Server to client, with a socket: the descriptors of this channel travel here.
    Socket = 48 { wanted: u64, channel: u32, }

    /// Either way, on a channel's socket, with descriptors: these belong to a call or its reply.
    Descriptors = 64 { generation: u64, index: u32, count: u32, }

    /// Old server to its successor: a door follows, with its names and references.
    HandDoor = 96 { door: u64, attributes: u32, desc_max: u32, data_min: u64, data_max: u64, }
    /// Old server to its successor, with a listener of the door before.
    HandListener = 97 { }
    /// Old server to its successor, with the server's end of a handed-out pair.
    HandToken = 98 { holder: u64, }
    /// Old server to its successor, with a connection through a name.
    HandConnection = 99 { }
    /// Old server to its successor: that was all.
    HandEnd = 100 { doors: u32, }

    /// Server to opener, on its connection: the first call has arrived, no thread is free yet.
    Queued = 80 { generation: u64, }
    /// Server to opener: the procedure has begun.
    Taken = 81 { generation: u64, }
    /// Server to opener: the results of the first call, or why there are none. `bytes` of data are the payload or,
    /// if that is empty, in a frozen memfd; the descriptors came before, in `Descriptors` packets.
    Reply = 82 { generation: u64, code: u32, descriptors: u32, bytes: u64, }
}

impl Message {
    /// The packet's bytes, for `payload` bytes that follow them.
    pub(crate) fn encode(&self, payload: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[MAJOR, MINOR]);
        bytes.extend_from_slice(&self.number().to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        self.put_fields(&mut bytes);
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let payload = u32::try_from(payload).unwrap_or(u32::MAX).to_le_bytes();
        for (place, byte) in bytes.iter_mut().skip(8).zip(len.into_iter().chain(payload)) {
            *place = byte;
        }
        bytes
    }

    /// The packet and its payload, or what is wrong with it.
    pub(crate) fn decode(packet: &[u8]) -> Result<(Self, &[u8]), Violation> {
        let (header, rest) = packet
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Violation::Short)?;
        let [
            m0,
            m1,
            m2,
            m3,
            major,
            minor,
            t0,
            t1,
            l0,
            l1,
            l2,
            l3,
            p0,
            p1,
            p2,
            p3,
        ] = *header;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(Violation::Magic);
        }
        if major != MAJOR {
            return Err(Violation::Version(major));
        }
        let len = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3]));
        let payload = usize::try_from(u32::from_le_bytes([p0, p1, p2, p3]));
        let (Ok(len), Ok(payload)) = (len, payload) else {
            return Err(Violation::Length);
        };
        let fields_len = len.checked_sub(HEADER_BYTES).ok_or(Violation::Length)?;
        let (mut fields, data) = rest.split_at_checked(fields_len).ok_or(Violation::Length)?;
        let message = Self::take_fields(u16::from_le_bytes([t0, t1]), &mut fields)?;
        // A later minor version may have appended fields that we do not know; ours may not.
        if !fields.is_empty() && minor <= MINOR {
            return Err(Violation::Trailing);
        }
        let carries = matches!(
            message,
            Self::Call { .. } | Self::Reply { .. } | Self::Described { .. }
        );
        if data.len() != payload || (payload > 0 && !carries) {
            return Err(Violation::Length);
        }
        Ok((message, data))
    }
}

#[cfg(test)]
mod tests {
    use super::{HEADER_BYTES, Message, Violation};

    const HELLO: Message = Message::Hello { channels: 7 };
    const WINDOWS: Message = Message::Windows {
        wanted: 1,
        session: 2,
        pair: 3,
        first: 4,
        channels: 5,
        area_bytes: 6,
    };

    #[test]
    fn what_is_encoded_is_decoded() {
        for message in [
            HELLO,
            WINDOWS,
            Message::Info {},
            Message::Mapped { pair: 9 },
        ] {
            assert_eq!(Message::decode(&message.encode(0)), Ok((message, &[][..])));
        }
        let call = Message::Call {
            generation: 1,
            descriptors: 2,
        };
        let mut bytes = call.encode(3);
        bytes.extend_from_slice(b"abc");
        assert_eq!(Message::decode(&bytes), Ok((call, &b"abc"[..])));
    }

    #[test]
    fn every_shortened_packet_is_refused() {
        let bytes = WINDOWS.encode(0);
        for len in 0..bytes.len() {
            assert!(Message::decode(&bytes[..len]).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for (at, value) in [(8, 0_u8), (8, 255), (11, 255), (12, 1), (15, 255)] {
            let mut bytes = HELLO.encode(0);
            bytes[at] = value;
            assert_eq!(
                Message::decode(&bytes),
                Err(Violation::Length),
                "byte {at} = {value}"
            );
        }
    }

    #[test]
    fn versions_and_types_are_told_apart() {
        let mut bytes = HELLO.encode(0);
        bytes[4] = 9;
        assert_eq!(Message::decode(&bytes), Err(Violation::Version(9)));
        let mut bytes = HELLO.encode(0);
        bytes[6] = 200;
        assert_eq!(Message::decode(&bytes), Err(Violation::Type(200)));
    }

    #[test]
    fn a_field_too_many_needs_a_later_minor_version() {
        let mut bytes = HELLO.encode(0);
        bytes.extend_from_slice(&[0; 4]);
        bytes[8] += 4;
        assert_eq!(Message::decode(&bytes), Err(Violation::Trailing));
        bytes[5] = 2;
        assert_eq!(Message::decode(&bytes), Ok((HELLO, &[][..])));
    }

    #[test]
    fn only_calls_and_replies_have_a_payload() {
        let mut bytes = HELLO.encode(1);
        bytes.push(0);
        assert_eq!(Message::decode(&bytes), Err(Violation::Length));
        assert_eq!(bytes.len(), HEADER_BYTES + 5);
    }
}
