//! What a call brings.

use std::cell::RefCell;
use std::time::Instant;

use super::cancel::Cancel;
use crate::desc::DoorDesc;
use crate::error::CallCondition;
use crate::pieces::Pieces;

/// What a call brings.
#[derive(Debug)]
pub(crate) struct Arguments<'a> {
    pub(crate) data: Pieces<'a>,
    /// The descriptors until they have been sent.
    descriptors: RefCell<Vec<DoorDesc<'a>>>,
    /// How many there are, also then.
    pub(crate) count: usize,
    pub(crate) until: Option<Instant>,
    /// By this the call may be given up before.
    pub(crate) cancel: Option<&'a Cancel>,
}

impl<'a> Arguments<'a> {
    #[inline]
    pub(crate) fn new(
        data: Pieces<'a>,
        descriptors: Vec<DoorDesc<'a>>,
        until: Option<Instant>,
        cancel: Option<&'a Cancel>,
    ) -> Self {
        let count = descriptors.len();
        Self {
            data,
            descriptors: RefCell::new(descriptors),
            count,
            until,
            cancel,
        }
    }

    /// Hands the descriptors to `send`. Once they are on their way those that were released are closed here: the
    /// procedure may wait for the end of what it was given, and must not meet our copy.
    pub(crate) fn hand_over<E>(
        &self,
        send: impl FnOnce(&[DoorDesc<'a>]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.count == 0 {
            return send(&[]);
        }
        let mut descriptors = self.descriptors.borrow_mut();
        send(&descriptors)?;
        *descriptors = Vec::new();
        Ok(())
    }

    /// Takes the descriptors, for a call without a transport.
    pub(crate) fn take(&self) -> Vec<DoorDesc<'a>> {
        self.descriptors.take()
    }

    /// What an error means that came while the call was being prepared: the end of its own time is not the server's
    /// fault.
    pub(crate) fn not_begun(&self, condition: CallCondition) -> CallCondition {
        match condition {
            CallCondition::NotResponding { taken: false, .. } if self.is_over() => {
                CallCondition::TimedOut { taken: false }
            }
            other => other,
        }
    }

    /// Whether the deadline has passed, or the call was given up before.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now()) || self.is_cancelled()
    }

    /// Whether another thread has given the call up.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(Cancel::is_cancelled)
    }
}
