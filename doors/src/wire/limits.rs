//! The constants of the protocol, each with its unit and its reason.

use std::time::Duration;

/// The version of the wire and word layout that must match.
pub(crate) const MAJOR: u8 = 0;
/// The version that may differ: the larger side adapts to the smaller.
pub(crate) const MINOR: u8 = 1;

/// How long a step of the protocol (never a server procedure) may take before the peer counts as stuck.
pub(crate) const PROTOCOL_DEADLINE: Duration = Duration::from_secs(5);

/// Bytes of a call or reply in one packet, on a fresh connection: below the smallest default send buffer
/// (`net.core.wmem_default`, 212,992 bytes) with the kernel's own overhead.
pub(crate) const PACKET_DATA_BYTES: usize = 128 * 1024;
/// A control packet is never longer; the buffer of every reader of a session socket.
pub(crate) const CONTROL_BYTES: usize = 512;

/// Descriptors per call or reply (`DOOR_MAX_DESCS` of Solaris).
pub(crate) const DESCRIPTORS: usize = 1024;

/// Channels of the first window pair: what most clients ever use.
pub(crate) const FIRST_CHANNELS: u32 = 4;
/// Channels of one session at most: callers beyond it wait for one.
pub(crate) const SESSION_CHANNELS: u32 = 256;
/// Bytes of each channel's area in a window pair.
pub(crate) const AREA_BYTES: usize = 16 * 1024;
/// The largest area that a channel gets for itself; more moves through it in chunks.
pub(crate) const LARGEST_AREA_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that the sessions of one user may hold in a server: windows in both directions, and private copies of
/// arguments and results that move in parts.
pub(crate) const USER_BYTES: usize = 1024 * 1024 * 1024;
/// Sessions and connections that one user may hold in a server.
pub(crate) const USER_SESSIONS: usize = 8192;
/// Bytes that one call may bring or take at most, unless the door's parameters say less.
pub(crate) const LARGEST_CALL_BYTES: u64 = 4 * 1024 * 1024 * 1024;
