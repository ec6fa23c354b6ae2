//! The limits that a door sets to its calls.

use nix::errno::Errno;

use crate::attributes::DoorAttributes;
use crate::door::{Door, Inner};
use crate::error::{DoorCondition, DoorError};
use crate::primitive::Ordering;
use crate::sys::fork;

/// The parameters of a door: they limit what calls may bring, never what replies bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorParams {
    /// Descriptors per call (`DOOR_PARAM_DESC_MAX`); 0 for a door that refuses them.
    #[doc(alias = "DOOR_PARAM_DESC_MAX")]
    pub desc_max: u32,
    /// The fewest bytes per call (`DOOR_PARAM_DATA_MIN`).
    #[doc(alias = "DOOR_PARAM_DATA_MIN")]
    pub data_min: u64,
    /// The most bytes per call (`DOOR_PARAM_DATA_MAX`).
    #[doc(alias = "DOOR_PARAM_DATA_MAX")]
    pub data_max: u64,
}

impl Door {
    /// Reads the parameters (`door_getparam`), from any process.
    ///
    /// # Blocking
    /// As [`info`](Self::info).
    ///
    /// # Errors
    /// As [`info`](Self::info).
    #[doc(alias = "door_getparam")]
    pub fn params(&self) -> Result<DoorParams, DoorError> {
        self.info().map(|info| info.params)
    }

    /// Sets the parameters, for calls that start later (`door_setparam`). Only the process that created the door may.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Errors
    /// [`DoorCondition::NotCreator`] (EPERM), [`DoorCondition::NoDoor`] (EBADF) if revoked, [`DoorCondition::BadParameter`] with the
    /// number of the C function: ERANGE for `desc_max` above 2^31-1, ENOTSUP for any on a door that refuses descriptors,
    /// EINVAL for `data_min` above `data_max`.
    ///
    /// # Examples
    /// ```
    /// use doors::{CallCondition, Door, DoorAttributes, DoorParams};
    ///
    /// let door = Door::create(|call| call.door_return(&[], vec![]), DoorAttributes::empty())?;
    /// let params = door.params()?;
    /// door.set_params(DoorParams { data_max: 512, desc_max: 0, ..params })?;
    /// let error = door.call(&[0; 513], vec![]).unwrap_err();
    /// assert_eq!(error.condition, CallCondition::DataSize { len: 513, limit: 512 });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_setparam")]
    pub fn set_params(&self, params: DoorParams) -> Result<(), DoorError> {
        self.named(self.set(params))
    }

    fn set(&self, params: DoorParams) -> Result<(), DoorCondition> {
        let core = match &*self.inner {
            Inner::Own(own) if own.core.life == fork::life() => &own.core,
            Inner::InProcess(core) => core,
            Inner::Own(_) | Inner::Remote(_) => return Err(DoorCondition::NotCreator),
        };
        if core.is_revoked() {
            return Err(DoorCondition::NoDoor);
        }
        let bad = |what, errno| Err(DoorCondition::BadParameter { what, errno });
        if params.desc_max > i32::MAX.unsigned_abs() {
            return bad("more than 2147483647 descriptors", Errno::ERANGE);
        }
        if params.desc_max != 0 && core.attributes().contains(DoorAttributes::REFUSE_DESC) {
            return bad("the door refuses descriptors", Errno::ENOTSUP);
        }
        if params.data_min > params.data_max {
            return bad("the fewest bytes are more than the most", Errno::EINVAL);
        }
        core.limits
            .desc_max
            .store(params.desc_max, Ordering::Relaxed);
        core.limits
            .data_min
            .store(params.data_min, Ordering::Relaxed);
        core.limits
            .data_max
            .store(params.data_max, Ordering::Relaxed);
        Ok(())
    }
}
