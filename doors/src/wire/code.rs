//! How a turn ends, as numbers on the wire.

/// Defines an enum whose numbers are part of the protocol.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $number:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($(#[$item_doc])* $item,)+ }

        impl $name {
            /// The number on the wire.
            pub(crate) const fn number(self) -> u32 {
                match self { $(Self::$item => $number,)+ }
            }

            /// What a number from the peer means; `None` if nothing.
            pub(crate) const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$item),)+ _ => None }
            }

            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$item,)+];
        }
    };
}

codes! {
    /// What the client publishes with a turn.
    Move {
        /// A call begins: the first, perhaps the only, part of its arguments is in the area.
        Call = 1,
        /// The next part of the arguments.
        Arguments = 2,
        /// The next part of the results, please.
        Next = 3,
    }
}

codes! {
    /// What the server publishes in answer to a turn.
    Answer {
        /// The last, perhaps the only, part of the results; the call is over.
        Returned = 1,
        /// A part of the results; more follow on `Next`.
        Part = 2,
        /// The next part of the arguments, please.
        More = 3,
        /// The call is over without results; the code word says why.
        Failed = 4,
    }
}

codes! {
    /// Why the server did not give results.
    Failure {
        /// The door is revoked, or the registration is unknown or gone (EBADF). Not executed.
        NoDoor = 1,
        /// Fewer or more bytes than the door's parameters allow (ENOBUFS). Not executed.
        DataSize = 2,
        /// The door refuses descriptors (ENOTSUP). Not executed.
        RefusesDescriptors = 3,
        /// More descriptors than the door's parameter allows (ENFILE). Not executed.
        TooManyDescriptors = 4,
        /// The caller is not allowed (EACCES). Not executed.
        NotAllowed = 5,
        /// The descriptors of the call did not all arrive (EMFILE). Not executed.
        DescriptorsLost = 6,
        /// The server is draining for a restart (EAGAIN). Not executed.
        Draining = 7,
        /// The server lacks memory or descriptors, or the user is over a quota (EAGAIN). Not executed.
        NoRoom = 8,
        /// The caller gave the call up before it was taken. Not executed.
        Abandoned = 9,
        /// The server does not know the session. Not executed.
        UnknownSession = 10,
        /// The packet was not what the protocol allows there. Not executed.
        Violation = 11,
        /// Another major version. Not executed.
        Version = 12,
        /// The server procedure ended without an answer (EINTR). Executed.
        Unanswered = 32,
        /// The server procedure panicked (EINTR). Executed.
        Panicked = 33,
        /// The results could not be handed over (EMFILE, ENOMEM). Executed.
        ReplyLost = 34,
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Failure, Move};

    #[test]
    fn numbers_come_back_as_what_they_were() {
        for code in Failure::ALL {
            assert_eq!(Failure::from_number(code.number()), Some(*code));
        }
        for code in Move::ALL {
            assert_eq!(Move::from_number(code.number()), Some(*code));
        }
        for code in Answer::ALL {
            assert_eq!(Answer::from_number(code.number()), Some(*code));
        }
        // Zero is what fresh memory holds: it must mean nothing.
        assert_eq!(Failure::from_number(0), None);
        assert_eq!(Move::from_number(0), None);
        assert_eq!(Answer::from_number(0), None);
    }
}
