//! What a door takes of its callers.

use super::Core;
use crate::attributes::DoorAttributes;
use crate::primitive::{AtomicU32, AtomicU64, Ordering};
use crate::wire::code::Failure;
use crate::wire::limits::{DESCRIPTORS, LARGEST_CALL_BYTES};

/// The parameters of a door; read for each call.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) desc_max: AtomicU32,
    pub(crate) data_min: AtomicU64,
    pub(crate) data_max: AtomicU64,
}

impl Limits {
    /// Of a new door.
    pub(super) fn new(attributes: DoorAttributes) -> Self {
        let refuses = attributes.contains(DoorAttributes::REFUSE_DESC);
        Self {
            desc_max: AtomicU32::new(if refuses { 0 } else { i32::MAX.unsigned_abs() }),
            data_min: AtomicU64::new(0),
            data_max: AtomicU64::new(u64::MAX),
        }
    }
}

impl Core {
    /// Why a call of this size may not run; `None` if it may. In the order of
    /// illumos' `door_call`.
    #[inline]
    pub(crate) fn refuses(&self, bytes: u64, descriptors: u32) -> Option<Failure> {
        if self.is_revoked() {
            return Some(self.over());
        }
        let limits = &self.limits;
        if bytes < limits.data_min.load(Ordering::Relaxed)
            || bytes > limits.data_max.load(Ordering::Relaxed)
        {
            return Some(Failure::DataSize);
        }
        if descriptors > 0 {
            return self.refuses_descriptors(descriptors);
        }
        self.closed()
    }

    /// The limit that a call with so many bytes went beyond, for its caller to read; 0 if it is none of size.
    #[cold]
    pub(crate) fn limit(&self, code: Failure, bytes: u64) -> u64 {
        let least = self.limits.data_min.load(Ordering::Relaxed);
        match code {
            Failure::DataSize if bytes < least => least,
            Failure::DataSize => {
                let most = self.limits.data_max.load(Ordering::Relaxed);
                most.min(LARGEST_CALL_BYTES)
            }
            Failure::TooManyDescriptors => {
                let most = self.limits.desc_max.load(Ordering::Relaxed);
                u64::from(most).min(u64::try_from(DESCRIPTORS).unwrap_or(u64::MAX))
            }
            _ => 0,
        }
    }

    fn refuses_descriptors(&self, descriptors: u32) -> Option<Failure> {
        let attributes = self.attributes.load(Ordering::Relaxed);
        if attributes & DoorAttributes::REFUSE_DESC.bits() != 0 {
            return Some(Failure::RefusesDescriptors);
        }
        if descriptors > self.limits.desc_max.load(Ordering::Relaxed) {
            return Some(Failure::TooManyDescriptors);
        }
        self.closed()
    }
}
