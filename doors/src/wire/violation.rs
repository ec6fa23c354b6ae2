//! What can be wrong with what a peer sent or stored.

/// What is wrong with a packet, a word or shared memory. Nothing of it is used.
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
