//! What a failure code means to the caller.

use super::arguments::Arguments;
use crate::error::CallCondition;
use crate::wire::code::Failure;
use crate::wire::message::Violation;

/// A failure that the server announced, as the caller sees it; `limit` is what the call went beyond, if it did.
pub(crate) fn condition(code: Failure, limit: u64, arguments: &Arguments<'_>) -> CallCondition {
    match code {
        Failure::NoDoor | Failure::UnknownSession => CallCondition::NoDoor,
        Failure::DataSize => CallCondition::DataSize {
            len: arguments.data.len(),
            limit,
        },
        Failure::RefusesDescriptors => CallCondition::RefusesDescriptors,
        Failure::TooManyDescriptors => CallCondition::TooManyDescriptors {
            count: arguments.count,
            limit,
        },
        Failure::NotAllowed => CallCondition::NotAllowed,
        Failure::DescriptorsLost => CallCondition::DescriptorsLost,
        Failure::Draining => CallCondition::Draining,
        Failure::NoRoom => CallCondition::NoRoom,
        Failure::Abandoned => CallCondition::TimedOut { taken: false },
        Failure::Violation | Failure::Version => CallCondition::Protocol {
            violation: Violation::Turn,
            taken: false,
        },
        Failure::Unanswered => CallCondition::Unanswered,
        Failure::Panicked => CallCondition::Panicked,
        Failure::ReplyLost => CallCondition::ReplyLost,
    }
}
