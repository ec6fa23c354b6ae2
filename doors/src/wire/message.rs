//! The control packets: encoded, decoded with every check.
//!
//! A packet is a [header](super::header) and the fields of its type, in the order in which they are written here. A
//! later minor version may append fields, marked `[since minor]`; an older receiver ignores what it does not know, and a
//! newer one reads what an older sender does not know as zero. So zero must mean what the older version meant.

use super::bytes::{Bytes, ROOM};
use super::field::Field;
use super::header::{HEADER_BYTES, Header};
use super::limits::MINOR;

pub use super::violation::Violation;

/// The minor version that a field came with: the first one, unless it says otherwise.
macro_rules! since {
    () => {
        0
    };
    ($minor:literal) => {
        $minor
    };
}

/// Defines a set of packet types as one minor version knows it.
macro_rules! messages {
    (
        $(#[$set_doc:meta])*
        $set:ident = $minor:expr, with payload: $($carrier:ident)|+;
        $($(#[$doc:meta])* $name:ident = $number:literal {
            $($(#[$field_doc:meta])* $field:ident: $kind:ty $([since $since:literal])?,)*
        })+
    ) => {
        $(#[$set_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $set { $($(#[$doc])* $name { $($(#[$field_doc])* $field: $kind,)* },)+ }

        impl $set {
            fn number(&self) -> u16 {
                match self { $(Self::$name { .. } => $number,)+ }
            }

            fn carries_payload(&self) -> bool {
                matches!(self, $(Self::$carrier { .. })|+)
            }

            /// Bytes of its fields.
            fn fields_bytes(&self) -> usize {
                match self {
                    $(Self::$name { .. } => const {
                        let bytes = 0 $(+ size_of::<$kind>())*;
                        assert!(HEADER_BYTES + bytes <= ROOM, "`bytes.rs` has room for less");
                        bytes
                    },)+
                }
            }

            fn put_fields(&self, into: &mut Bytes) {
                match self { $(Self::$name { $($field,)* } => { $($field.put(into);)* let _ = into; })+ }
            }

            fn take_fields(number: u16, sent: u8, from: &mut &[u8]) -> Result<Self, Violation> {
                match number {
                    $($number => Ok(Self::$name {
                        $($field: <$kind as Field>::take_since(from, since!($($since)?), sent)?,)*
                    }),)+
                    other => Err(Violation::Type(other)),
                }
            }

            /// The packet's bytes, for `payload` bytes that follow them.
            #[inline]
            pub(crate) fn encode(&self, payload: usize) -> Bytes {
                let mut bytes = Header::encode($minor, self.number(), self.fields_bytes(), payload);
                self.put_fields(&mut bytes);
                bytes
            }

            /// The packet and its payload, or what is wrong with it.
            pub(crate) fn decode(mut packet: &[u8]) -> Result<(Self, &[u8]), Violation> {
                let header = Header::take(&mut packet)?;
                let (mut fields, payload) = header.split(packet)?;
                let message = Self::take_fields(header.number, header.minor, &mut fields)?;
                // Only a later minor version has fields that we do not know.
                if !fields.is_empty() && header.minor <= $minor {
                    return Err(Violation::Trailing);
                }
                if !payload.is_empty() && !message.carries_payload() {
                    return Err(Violation::Length);
                }
                Ok((message, payload))
            }
        }

        #[cfg(test)]
        impl $set {
            /// Name, number, and name and bytes of each field, for every type.
            pub(crate) const TYPES: &'static [(&'static str, u16, &'static [(&'static str, usize)])] = &[
                $((stringify!($name), $number, &[$((stringify!($field), size_of::<$kind>()),)*]),)+
            ];

            /// One message of every type; `bytes` gives the bytes of the field with this place, from 1.
            pub(crate) fn one_of_each(bytes: &mut dyn FnMut(u8) -> [u8; 16]) -> Vec<Self> {
                let mut all = Vec::new();
                $({
                    let mut places = 1_u8..;
                    all.push(Self::$name {
                        $($field: <$kind as Field>::take(
                            &mut bytes(places.next().unwrap()).as_slice()
                        ).unwrap(),)*
                    });
                    let _ = places.next();
                })+
                all
            }

            /// Its name and whether it may carry a payload.
            pub(crate) fn type_of(&self) -> (&'static str, bool) {
                let name = match self { $(Self::$name { .. } => stringify!($name),)+ };
                (name, self.carries_payload())
            }
        }
    };
}

messages! {
    /// A control packet.
    Message = MINOR, with payload: Call | Reply | Described;

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
    /// Server to client: what `Info` asked for; the payload is the histogram, a u64 for each class, and the ages
    /// of so many running calls, a u64 each.
    Described = 19 { door: u64, attributes: u32, desc_max: u32, data_min: u64, data_max: u64, calls: u64, active: u32, sessions: u32, references: u32, threads: u32, refused: u64, ages: u32, followed: u64, parted: u64, }
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
    /// Client to server: the windows of a pair that was offered cannot be had here.
    Unmapped = 37 { pair: u32, }
    /// Client to server: this area is not used here any more.
    Unused = 38 { pair: u32, }
    /// Server to client, with a socket: the descriptors of this channel travel here.
    Socket = 48 { wanted: u64, channel: u32, }
    /// Server to client: this channel has not used its area for a while, let go of it.
    Spare = 49 { channel: u32, pair: u32, }

    /// Either way, on a channel's socket, with descriptors: these belong to a call or its reply.
    Descriptors = 64 { generation: u64, index: u32, count: u32, }

    /// Old server to its successor: a door follows, with its names and references.
    HandDoor = 96 { door: u64, attributes: u32, desc_max: u32, data_min: u64, data_max: u64, }
    /// Old server to its successor, with a listener of the door before.
    HandListener = 97 { restricted: u32, }
    /// Old server to its successor, with the server's end of a handed-out pair.
    HandToken = 98 { holder: u64, restricted: u32, }
    /// Old server to its successor, with a connection through a name.
    HandConnection = 99 { restricted: u32, }
    /// Old server to its successor: that was all.
    HandEnd = 100 { doors: u32, }
    /// Successor to the old server: all of it is here.
    HandTaken = 101 { doors: u32, }
    /// Old server to its successor: it is yours.
    HandDone = 102 { }

    /// Server to opener, on its connection: the first call has arrived, no thread is free yet.
    Queued = 80 { generation: u64, }
    /// Server to opener: the procedure has begun.
    Taken = 81 { generation: u64, }
    /// Server to opener: the results of the first call, or why there are none. `bytes` of data are the payload or,
    /// if that is empty, in a frozen memfd; the descriptors came before, in `Descriptors` packets.
    Reply = 82 { generation: u64, code: u32, descriptors: u32, bytes: u64, }
}

#[cfg(test)]
mod tests;
