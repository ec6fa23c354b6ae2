//! The attributes of a door.

bitflags::bitflags! {
    /// What a door is: chosen at its creation, or reported by [`Door::info`](crate::Door::info).
    ///
    /// The values below 0x100 are those of Solaris' `<sys/door.h>`.
    #[doc(alias = "door_attr_t")]
    #[doc(alias = "DOOR_ATTR_MASK")]
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct DoorAttributes: u32 {
        /// The server is told once when nobody refers to the door any more (`DOOR_UNREF`).
        /// Reported until that one notice has been delivered.
        #[doc(alias = "DOOR_UNREF")]
        const UNREF = 0x1;
        /// The door has server threads of its own (`DOOR_PRIVATE`).
        #[doc(alias = "DOOR_PRIVATE")]
        const PRIVATE = 0x2;
        /// Reported only: the process that asks created the door (`DOOR_LOCAL`).
        #[doc(alias = "DOOR_LOCAL")]
        const LOCAL = 0x4;
        /// Reported only: the door was revoked (`DOOR_REVOKED`).
        #[doc(alias = "DOOR_REVOKED")]
        const REVOKED = 0x8;
        /// The server is told each time the door becomes unreferenced (`DOOR_UNREF_MULTI`).
        #[doc(alias = "DOOR_UNREF_MULTI")]
        const UNREF_MULTI = 0x10;
        /// Reported only: no reference to the door is left (`DOOR_IS_UNREF`).
        #[doc(alias = "DOOR_IS_UNREF")]
        const IS_UNREF = 0x20;
        /// Calls that bring descriptors are refused (`DOOR_REFUSE_DESC`).
        #[doc(alias = "DOOR_REFUSE_DESC")]
        const REFUSE_DESC = 0x40;
        /// An invocation is not told when its caller gives up (`DOOR_NO_CANCEL`).
        #[doc(alias = "DOOR_NO_CANCEL")]
        const NO_CANCEL = 0x80;
        /// The procedure takes values and says of which interface it is: `#[door]` sets it. It is none of Solaris'.
        const TYPED = 0x1_0000;
    }
}

impl DoorAttributes {
    /// The attributes that a creator may ask for by flag. The two unreferenced attributes are not among
    /// them: asking for the notice means to give the closure that receives it
    /// ([`Options::unreferenced`](crate::Options::unreferenced)).
    #[doc(alias = "DOOR_CREATE_MASK")]
    pub const CREATE: Self = Self::PRIVATE
        .union(Self::REFUSE_DESC)
        .union(Self::NO_CANCEL)
        .union(Self::TYPED);
}
