//! A server procedure as its door keeps it.

use crate::foreign::shielded;
use crate::invocation::{Invocation, Returned};

/// The closure that a door was made of.
pub(crate) type Procedure = Box<dyn Fn(Invocation<'_>) -> Returned + Send + Sync>;

/// It, until the door ends.
///
/// What it owns is the program's, and so are the drops of that. The door ends on whichever thread has it last, a
/// server thread with the next call in its hands as often as not: a panic must not go on there.
pub(crate) struct Kept(Option<Procedure>);

impl Kept {
    pub(crate) fn new(procedure: Procedure) -> Self {
        Self(Some(procedure))
    }

    /// Runs it.
    #[inline]
    pub(crate) fn run(&self, invocation: Invocation<'_>) -> Option<Returned> {
        self.0.as_ref().map(|procedure| procedure(invocation))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let procedure = self.0.take();
        shielded(move || drop(procedure));
    }
}
