//! The constants of the protocol, each with its unit and its reason.

use std::time::Duration;

/// The version of the wire and word layout that must match.
pub(crate) const MAJOR: u8 = 0;
/// The version that may differ: the larger side adapts to the smaller.
pub(crate) const MINOR: u8 = 1;

/// How long a step of the protocol (never a server procedure) may take before the peer counts as stuck.
pub(crate) const PROTOCOL_DEADLINE: Duration = Duration::from_secs(5);

/// The generation of the only call that travels on a connection.
pub(crate) const FIRST_GENERATION: u64 = 1;
/// Bytes of a call or reply in one packet, on a fresh connection: below the smallest default send buffer
/// (`net.core.wmem_default`, 212,992 bytes) with the kernel's own overhead.
pub(crate) const PACKET_DATA_BYTES: usize = 128 * 1024;
/// A control packet is never longer; the buffer of every reader of a session socket.
pub(crate) const CONTROL_BYTES: usize = 1024;
/// Ages of running calls in one answer to `Info`, the oldest: what fits a control packet.
pub(crate) const RUNNING_AGES: usize = 64;

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
/// Bytes of areas that the sessions of one user may give back: they go on counting against the user, who may have kept them.
pub(crate) const GIVEN_BACK_BYTES: usize = 256 * 1024 * 1024;
/// Bytes that the sessions of one user may hold in a server: windows in both directions, and private copies of
/// arguments and results that move in parts; and first calls that have not begun.
pub(crate) const USER_BYTES: usize = 1024 * 1024 * 1024;
/// Descriptors of the server that the sessions and connections of one user may cost at most, as one part in so many
/// of all that the server may have (`RLIMIT_NOFILE`): the rest is for other users, and for the server itself. So many, too, of those that were sent to them may
/// be unread: the kernel lets a process have as many in flight as it may have open (`ETOOMANYREFS`, unix(7)).
pub(crate) const USER_DESCRIPTORS_SHARE: usize = 2;
/// Silent connections that every user may have for as long as it likes.
pub(crate) const USER_SILENT: usize = 64;
/// How long a connection beyond these may say nothing.
pub(crate) const SILENT_DEADLINE: Duration = Duration::from_secs(10);
/// Sessions that one user may have begun and not finished.
pub(crate) const USER_UNFINISHED: usize = 64;
/// Window pairs of one session that the client has not acknowledged: each is two descriptors in flight, of which this
/// process may have a limited number (unix(7), `ETOOMANYREFS`).
pub(crate) const PENDING_PAIRS: usize = 16;
/// Bytes that one call may bring or take at most, unless the door's parameters say less.
pub(crate) const LARGEST_CALL_BYTES: u64 = 4 * 1024 * 1024 * 1024;
