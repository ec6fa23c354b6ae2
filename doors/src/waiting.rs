//! How the two sides of a call wait for each other.

use crate::primitive::{AtomicU32, Ordering};

/// How a thread waits for its peer: what a caller does until the answer comes, and a server thread until the next call.
///
/// [`Auto`](Self::Auto) learns from each channel's recent past and is right for nearly everybody. The others are for
/// those who have measured. An operator overrides all of them with the environment variable `DOORS_WAITING` (`auto`,
/// `spin`, `handoff` or `block`), read once by each process.
///
/// No choice makes a thread look at a word for ever: looking that does not pay ends within some tens of
/// microseconds with a sleep, and nothing looks while nobody calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Waiting {
    /// Looks while calls come back to back and the peer runs on another processor; else lets the server's thread
    /// follow the caller's processor, so that one hands it to the other.
    #[default]
    Auto,
    /// Looks as long as a wake-up across processors takes, each time. For callers that never pause, on processors
    /// that nobody else needs.
    Spin,
    /// The server's thread always follows the caller's processor. For callers that pause between calls, and where
    /// processors are dear.
    Handoff,
    /// Sleeps at once and follows nobody.
    Block,
}

/// The operator was not asked yet.
const NOT_READ: u32 = u32::MAX;
/// The operator has no wish.
const NOTHING: u32 = u32::MAX - 1;

/// What [`set_waiting`] has set.
static CHOSEN: AtomicU32 = AtomicU32::new(0);

/// Chooses how the threads of this process wait, as callers and as servers: for clients' sessions that begin from now on.
///
/// # Blocking
/// Never.
///
/// # Examples
/// A sidecar that shares its processors with something more important:
/// ```
/// doors::set_waiting(doors::Waiting::Handoff);
/// ```
pub fn set_waiting(waiting: Waiting) {
    CHOSEN.store(waiting.number(), Ordering::Relaxed);
}

impl Waiting {
    /// What holds for this process.
    pub(crate) fn of_process() -> Self {
        Self::from_number(CHOSEN.load(Ordering::Relaxed)).unless_overridden()
    }

    /// The operator's choice, if there is one.
    pub(crate) fn unless_overridden(self) -> Self {
        // No lock: a child that is forked while a thread has it would find it locked for ever.
        static OPERATOR: AtomicU32 = AtomicU32::new(NOT_READ);
        let mut operator = OPERATOR.load(Ordering::Relaxed);
        if operator == NOT_READ {
            let value = std::env::var("DOORS_WAITING").unwrap_or_default();
            operator = Self::from_word(&value).map_or(NOTHING, Self::number);
            OPERATOR.store(operator, Ordering::Relaxed);
        }
        if operator == NOTHING {
            self
        } else {
            Self::from_number(operator)
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "spin" => Some(Self::Spin),
            "handoff" => Some(Self::Handoff),
            "block" => Some(Self::Block),
            _ => None,
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Auto => 0,
            Self::Spin => 1,
            Self::Handoff => 2,
            Self::Block => 3,
        }
    }

    fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Spin,
            2 => Self::Handoff,
            3 => Self::Block,
            _ => Self::Auto,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Waiting;

    #[test]
    fn an_operator_names_each_way() {
        for (word, waiting) in [
            ("auto", Waiting::Auto),
            ("spin", Waiting::Spin),
            ("handoff", Waiting::Handoff),
            ("block", Waiting::Block),
        ] {
            assert_eq!(Waiting::from_word(word), Some(waiting));
            assert_eq!(Waiting::from_number(waiting.number()), waiting);
        }
        assert_eq!(Waiting::from_word("Spin"), None);
    }
}
