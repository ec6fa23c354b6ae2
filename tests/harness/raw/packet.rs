//! Packets, byte by byte.

/// The types of packets.
pub mod kind {
    /// Holder to server: open a session.
    pub const HELLO: u16 = 1;
    /// Holder to server: register a door in a session.
    pub const REGISTER: u16 = 2;
    /// Holder to server: tell about the door.
    pub const INFO: u16 = 3;
    /// Holder to server: a fresh token.
    pub const REMINT: u16 = 4;
    /// Opener to server: the first call.
    pub const CALL: u16 = 5;
    /// Opener to server: the first call is given up.
    pub const GIVE_UP: u16 = 6;
    /// Server to client: a window pair.
    pub const WINDOWS: u16 = 16;
    /// Server to client: the pair may be used.
    pub const READY: u16 = 17;
    /// Server to client: the door is registered.
    pub const REGISTERED: u16 = 18;
    /// Server to client: what `INFO` asked for.
    pub const DESCRIBED: u16 = 19;
    /// Server to client: a token.
    pub const TOKEN: u16 = 20;
    /// Server to client: no.
    pub const REFUSED: u16 = 21;
    /// Client to server: a pair is mapped.
    pub const MAPPED: u16 = 32;
    /// Client to server: look at the quiet channels.
    pub const RING: u16 = 33;
    /// Client to server: more channels, or a larger area.
    pub const GROW: u16 = 34;
    /// Client to server: a descriptor socket.
    pub const WANT_SOCKET: u16 = 35;
    /// Client to server: a taken call is given up.
    pub const CANCEL: u16 = 36;
    /// Client to server: the windows of a pair cannot be had.
    pub const UNMAPPED: u16 = 37;
    /// Client to server: an area is not used any more.
    pub const UNUSED: u16 = 38;
    /// Server to client: a descriptor socket.
    pub const SOCKET: u16 = 48;
    /// Server to client: let go of an area.
    pub const SPARE: u16 = 49;
    /// Either way on a channel's socket.
    pub const DESCRIPTORS: u16 = 64;
    /// Old server to successor: a door.
    pub const HAND_DOOR: u16 = 96;
    /// Old server to successor: a name of it.
    pub const HAND_LISTENER: u16 = 97;
    /// Old server to successor: a handed-out descriptor of it.
    pub const HAND_TOKEN: u16 = 98;
    /// Old server to successor: a connection through a name of it.
    pub const HAND_CONNECTION: u16 = 99;
    /// Old server to successor: that was all.
    pub const HAND_END: u16 = 100;
    /// Successor to old server: all of it is here.
    pub const HAND_TAKEN: u16 = 101;
    /// Old server to successor: serve it.
    pub const HAND_DONE: u16 = 102;
    /// Server to opener: the first call waits.
    pub const QUEUED: u16 = 80;
    /// Server to opener: the first call runs.
    pub const TAKEN: u16 = 81;
    /// Server to opener: the results.
    pub const REPLY: u16 = 82;
}

/// A packet while it is built.
#[derive(Clone, Debug)]
pub struct Packet {
    bytes: Vec<u8>,
    payload: Vec<u8>,
}

impl Packet {
    /// A header of this type, without fields yet.
    #[must_use]
    pub fn new(kind: u16) -> Self {
        let mut bytes = b"door\x00\x01".to_vec();
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self {
            bytes,
            payload: Vec::new(),
        }
    }

    /// A field of four bytes.
    #[must_use]
    pub fn u32(mut self, value: u32) -> Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A field of eight bytes.
    #[must_use]
    pub fn u64(mut self, value: u64) -> Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A field of sixteen bytes.
    #[must_use]
    pub fn u128(mut self, value: u128) -> Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// What follows the fields.
    #[must_use]
    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// The whole packet with honest lengths.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let len = u32::try_from(bytes.len()).unwrap();
        let payload = u32::try_from(self.payload.len()).unwrap();
        bytes[8..12].copy_from_slice(&len.to_le_bytes());
        bytes[12..16].copy_from_slice(&payload.to_le_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

/// The fields of a packet that was received, in order.
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of a packet of this type; fails if it is of another.
    #[must_use]
    pub fn of(bytes: &'a [u8], kind: u16) -> Self {
        let found = u16::from_le_bytes([bytes[6], bytes[7]]);
        assert_eq!(found, kind, "a packet of another type: {bytes:?}");
        Self(&bytes[16..])
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().expect("a field is missing");
        self.0 = rest;
        *field
    }

    /// The next field, of four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    /// The next field, of eight bytes.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// The next field, of sixteen bytes.
    pub fn u128(&mut self) -> u128 {
        u128::from_le_bytes(self.take())
    }
}
