//! A window pair as one side has it mapped.

use std::os::fd::AsFd;
use std::sync::Arc;

use crate::sys::{self, mapping, mapping::Mapping, memfd};
use crate::wire::layout::Shape;

/// Two one-way windows: ours to write and the peer's to read.
///
/// Neither side ever loads from its own window: what the other could do to it does not matter then.
#[derive(Debug)]
pub(crate) struct Pair {
    /// The pair's number in its session.
    pub(crate) number: u32,
    /// Where everything lies.
    pub(crate) shape: Shape,
    /// The window that this side stores into.
    pub(crate) ours: Arc<Mapping>,
    /// The window that the peer stores into.
    pub(crate) theirs: Arc<Mapping>,
}

impl Pair {
    /// Maps the two windows, verifying both first.
    ///
    /// The client maps its own window while it is still open to writers (the server closes it after the
    /// acknowledgement); what the other side wrote is always closed before it is mapped for reading.
    pub(crate) fn map(
        number: u32,
        shape: Shape,
        ours: impl AsFd,
        theirs: impl AsFd,
    ) -> sys::Result<Self> {
        let len = shape.window_bytes();
        let open = memfd::Demand {
            len,
            closed_to_writers: false,
        };
        let closed = memfd::Demand {
            len,
            closed_to_writers: true,
        };
        memfd::verify(&ours, open)?;
        memfd::verify(&theirs, closed)?;
        Ok(Self {
            number,
            shape,
            ours: Arc::new(Mapping::new(ours, len, mapping::Access::Write)?),
            theirs: Arc::new(Mapping::new(theirs, len, mapping::Access::Read)?),
        })
    }

    /// The server's half of the work: its own window is mapped for writing before anybody else has it and then
    /// closed, the client's is mapped later by [`Self::with_peer`].
    pub(crate) fn map_own(shape: Shape, own: impl AsFd) -> sys::Result<Mapping> {
        let mapping = Mapping::new(&own, shape.window_bytes(), mapping::Access::Write)?;
        memfd::seal_for_reading(own)?;
        Ok(mapping)
    }

    /// Maps the client's window, closes it to further writers (the client has mapped it) and verifies it. It was made
    /// here, so mapping it first is no risk; afterwards it could not be mapped for sleeping.
    pub(crate) fn with_peer(
        number: u32,
        shape: Shape,
        ours: Mapping,
        theirs: impl AsFd,
    ) -> sys::Result<Self> {
        let access = if shape.channels() > 0 {
            mapping::Access::Sleep
        } else {
            mapping::Access::Read
        };
        let mapped = Mapping::new(&theirs, shape.window_bytes(), access)?;
        memfd::seal_for_reading(&theirs)?;
        let demand = memfd::Demand {
            len: shape.window_bytes(),
            closed_to_writers: true,
        };
        memfd::verify(&theirs, demand)?;
        Ok(Self {
            number,
            shape,
            ours: Arc::new(ours),
            theirs: Arc::new(mapped),
        })
    }
}
