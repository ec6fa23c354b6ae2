//! Where the packets of a server are received.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::wire::limits::{CONTROL_BYTES, PACKET_DATA_BYTES};

/// Room for the largest packet.
const BYTES: usize = PACKET_DATA_BYTES.saturating_add(CONTROL_BYTES);

/// The buffer of the process. Its pages are there only once something large was received, and nobody clears them.
static ONE: Mutex<[u8; BYTES]> = Mutex::new([0; BYTES]);

/// A buffer for the largest packet.
pub(super) enum Buffer {
    /// The one of the process.
    One(MutexGuard<'static, [u8; BYTES]>),
    /// Somebody else has it.
    Own(Vec<u8>),
}

impl Buffer {
    pub(super) fn take() -> Self {
        match ONE.try_lock() {
            Ok(one) => Self::One(one),
            Err(TryLockError::Poisoned(one)) => Self::One(one.into_inner()),
            // Perhaps for ever: the thread that had it may be one of the process that forked this one.
            Err(TryLockError::WouldBlock) => Self::Own(vec![0; BYTES]),
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::One(one) => one.as_slice(),
            Self::Own(own) => own,
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::One(one) => one.as_mut_slice(),
            Self::Own(own) => own,
        }
    }
}
