//! How `doors serve` tells `doors call` that the command failed.
//!
//! The data of an answer are the command's output, whatever bytes these are, so a failure cannot be among them: it
//! comes as a descriptor, a sealed memfd of its own name.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::printable;

const NAME: &str = "doors-serve-failure";
/// A verdict is never longer; what is longer is cut.
const BYTES: usize = 16 * 1024;

/// What became of a command that failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// One line.
    pub(crate) reason: String,
    /// The end of what the command wrote to its standard error; whole lines, or empty.
    pub(crate) complaint: String,
}

/// A descriptor with the verdict.
pub(crate) fn write(verdict: &Verdict) -> io::Result<OwnedFd> {
    let fd = memfd_create(NAME, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(fd);
    writeln!(file, "{}", verdict.reason)?;
    file.write_all(verdict.complaint.as_bytes())?;
    let seals = frozen() | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}

/// The verdict in a descriptor, if that is what it is.
pub(crate) fn read(descriptor: &OwnedFd) -> Option<Verdict> {
    // Only a memfd has seals, and a read of it never blocks, which cannot be said of what else may have come.
    let seals = fcntl(descriptor, FcntlArg::F_GET_SEALS).ok()?;
    if !SealFlag::from_bits_retain(seals).contains(frozen()) {
        return None;
    }
    let link = std::fs::read_link(format!("/proc/self/fd/{}", descriptor.as_raw_fd())).ok()?;
    if link.as_os_str() != format!("/memfd:{NAME} (deleted)").as_str() {
        return None;
    }
    let file = File::from(descriptor.try_clone().ok()?);
    let mut bytes = vec![0; BYTES];
    let len = file.read_at(&mut bytes, 0).ok()?;
    bytes.truncate(len);
    let text = String::from_utf8_lossy(&bytes);
    let (reason, complaint) = text.split_once('\n').unwrap_or((&text, ""));
    let mut complaint = printable::text(complaint);
    if !complaint.is_empty() && !complaint.ends_with('\n') {
        complaint.push('\n');
    }
    Some(Verdict {
        reason: printable::line(reason),
        complaint,
    })
}

fn frozen() -> SealFlag {
    SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_survives_its_descriptor() {
        let verdict = Verdict {
            reason: "the command ended with exit status: 3".into(),
            complaint: "one\ntwo\n".into(),
        };
        assert_eq!(read(&write(&verdict).unwrap()), Some(verdict));
    }

    #[test]
    fn other_descriptors_are_no_verdicts() {
        let file = File::open("/proc/self/exe").unwrap();
        assert_eq!(read(&file.into()), None);
        let unsealed = memfd_create(NAME, MFdFlags::MFD_CLOEXEC).unwrap();
        assert_eq!(read(&unsealed), None);
    }
}
