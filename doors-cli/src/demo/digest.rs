//! Length and SHA-256 of what a descriptor refers to.

use std::fmt::Write;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

/// "LENGTH HEX", read from the beginning without moving the offset, which is shared with the giver.
pub(crate) fn digest(file: &File) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0_u64;
    loop {
        let count = match file.read_at(&mut buffer, at) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.update(buffer.get(..count).unwrap_or_default());
        at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
    let mut text = format!("{at} ");
    for byte in digest.finalize() {
        let _infallible = write!(text, "{byte:02x}");
    }
    Ok(text)
}
