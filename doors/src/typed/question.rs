//! What a door has instead of a method whose call it refused before its procedure saw which method was meant.
//!
//! A door of which no method takes descriptors refuses them itself. So a caller who knows a later version, or another interface,
//! hears of descriptors where the method is what the two programs disagree on.

use std::os::fd::OwnedFd;
use std::time::Instant;

use super::error::Refused;
use super::frame::{self, Results};
use super::interface::{Interface, Method};
use crate::attributes::DoorAttributes;
use crate::door::Door;
use crate::error::{CallCondition, CallError};

/// After a call that failed: the results of a question which method is there, if that is why it failed.
///
/// # Errors
/// That of the call, if it is the reason itself.
#[cold]
pub(super) fn instead(
    door: &Door,
    (interface, method): (&Interface, &Method),
    (failed, deadline): (CallError, Option<Instant>),
    results: &mut Vec<u8>,
    ask: impl FnOnce(&[u8], &mut Vec<u8>) -> Result<Vec<OwnedFd>, CallError>,
) -> Result<Vec<OwnedFd>, CallError> {
    if failed.condition != CallCondition::RefusesDescriptors {
        return Err(failed);
    }
    // Another door would run its procedure.
    let is_typed = |info: crate::DoorInfo| info.attributes.contains(DoorAttributes::TYPED);
    if !door.info().is_ok_and(is_typed) {
        return Err(failed);
    }
    // By a tag that is not the method's, without arguments: nothing is run, whatever the server has.
    let mut question = Vec::new();
    let no_tag = method.tag().map(|byte| !byte);
    frame::end_call(method.number(), no_tag, deadline, 0, &mut question);
    let Ok(arrived) = ask(&question, results) else {
        return Err(failed);
    };
    let differ = |theirs| Refused::of(interface, method, theirs);
    match frame::open_results(results, differ) {
        // It has this very method, and was told to take no descriptors.
        Ok(Results::Refused(Refused::OtherSignature { theirs, ours })) if theirs == ours => {
            Err(failed)
        }
        Ok(Results::Refused(_) | Results::NotAllowed(_)) => Ok(arrived),
        _ => Err(failed),
    }
}
