//! Frozen bytes, given and taken.

use doors::{DoorDesc, Frozen, Invocation, Returned};

use super::procedure::pattern;

/// So many frozen bytes.
pub(crate) fn give(call: Invocation<'_>, count: usize) -> Returned {
    let frozen = Frozen::new(&pattern(count)).unwrap();
    call.door_return(b"here", vec![DoorDesc::Released(frozen.into())])
}

/// How many bytes came frozen and their sum, of at most so many; or why they are not taken.
pub(crate) fn take(mut call: Invocation<'_>, limit: usize) -> Returned {
    let given = call.take_descriptors().remove(0);
    let said = match Frozen::from_descriptor(given, limit) {
        Ok(bytes) => {
            let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
            format!("{} {sum}", bytes.len())
        }
        Err(refused) => refused.to_string(),
    };
    call.door_return(said.as_bytes(), vec![])
}
