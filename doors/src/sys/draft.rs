//! Memory that is written from its beginning to its end, and frozen then.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use super::{Result, memfd};

/// A memfd that grows with what is written.
#[derive(Debug)]
pub(crate) struct Draft {
    memory: OwnedFd,
    len: i64,
}

impl Draft {
    /// Without a byte yet.
    pub(crate) fn new(name: &CStr) -> Result<Self> {
        memfd::sized(name, 0).map(|memory| Self { memory, len: 0 })
    }

    /// Writes what comes next. The pages come with it, so that lack of memory is an error here, and there are no holes.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let more = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            memfd::refuse_beyond_file_limit(self.len.saturating_add(more))?;
            let written = nix::sys::uio::pwrite(&self.memory, bytes, self.len)?;
            bytes = bytes.get(written..).unwrap_or_default();
            let written = i64::try_from(written).unwrap_or(i64::MAX);
            self.len = self.len.saturating_add(written);
        }
        Ok(())
    }

    /// The memory, which nobody can ever change again.
    ///
    /// `F_SEAL_WRITE` is refused while there is a writable shared mapping, and every later write, mapping for writing and hole is
    /// refused with it; `F_SEAL_FUTURE_WRITE` would leave such a mapping as it is (fcntl(2)).
    pub(crate) fn freeze(self) -> Result<OwnedFd> {
        let seals = SealFlag::from_bits_retain(memfd::FROZEN);
        fcntl(&self.memory, FcntlArg::F_ADD_SEALS(seals))?;
        Ok(self.memory)
    }
}
