//! The messages of socket diagnosis as bytes.

use nix::errno::Errno;

use crate::sys::Result;

// <linux/netlink.h>, <linux/sock_diag.h>, <linux/unix_diag.h>: these are kernel interface.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_MULTI: u16 = 2;
const NLM_F_DUMP: u16 = 0x300;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
pub(super) const UDIAG_SHOW_NAME: u32 = 1;
pub(super) const UDIAG_SHOW_VFS: u32 = 2;
pub(super) const UDIAG_SHOW_RQLEN: u32 = 0x10;
pub(super) const UNIX_DIAG_NAME: u16 = 0;
pub(super) const UNIX_DIAG_VFS: u16 = 1;
pub(super) const UNIX_DIAG_RQLEN: u16 = 4;
/// `1 << TCP_LISTEN`: the states of Unix sockets are numbered as those of TCP.
const LISTENING: u32 = 1 << 10;
/// `struct nlmsghdr`: length u32, type u16, flags u16, sequence u32, port u32.
const HEADER: usize = 16;
/// `struct unix_diag_msg`: family u8, type u8, state u8, padding u8, inode u32, cookie 2 × u32.
const SOCKET: usize = 16;
/// Each of our sockets asks one question, so one sequence number does.
const SEQUENCE: u32 = 1;

/// Asks for the socket with an inode, whatever its state is.
pub(super) fn ask_for_one(inode: u32, show: u32) -> Vec<u8> {
    request(NLM_F_REQUEST, u32::MAX, inode, show)
}

/// Asks for every listening socket.
pub(super) fn ask_for_listeners(show: u32) -> Vec<u8> {
    request(NLM_F_REQUEST | NLM_F_DUMP, LISTENING, 0, show)
}

/// A `struct unix_diag_req` with its header.
fn request(flags: u16, states: u32, inode: u32, show: u32) -> Vec<u8> {
    const LENGTH: u32 = 16 + 24;
    // Any cookie (`INET_DIAG_NOCOOKIE`).
    const ANY: u32 = u32::MAX;
    let mut bytes = Vec::with_capacity(HEADER * 3);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(SEQUENCE.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    // AF_UNIX is 1; protocol, padding.
    bytes.extend([1, 0, 0, 0]);
    for word in [states, inode, show, ANY, ANY] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes
}

/// Takes one piece of an answer apart; true with its last message.
pub(super) fn digest(mut piece: &[u8], each: &mut impl FnMut(&[u8])) -> Result<bool> {
    while !piece.is_empty() {
        let length = u32_at(piece, 0).and_then(|length| usize::try_from(length).ok());
        let message = length
            .and_then(|length| piece.get(..length))
            .ok_or(Errno::EBADMSG)?;
        let (kind, flags) = u16_at(message, 4)
            .zip(u16_at(message, 6))
            .ok_or(Errno::EBADMSG)?;
        let body = message.get(HEADER..).ok_or(Errno::EBADMSG)?;
        if u32_at(message, 8) == Some(SEQUENCE) {
            match kind {
                NLMSG_ERROR | NLMSG_DONE => return outcome(body).map(|()| true),
                SOCK_DIAG_BY_FAMILY => {
                    each(body);
                    if flags & NLM_F_MULTI == 0 {
                        return Ok(true);
                    }
                }
                _ => {}
            }
        }
        piece = piece.get(aligned(message.len())..).unwrap_or_default();
    }
    Ok(false)
}

/// The verdict at the start of an error or done message: 0, or a negated error number.
fn outcome(body: &[u8]) -> Result<()> {
    match u32_at(body, 0).map(u32::cast_signed) {
        Some(0) => Ok(()),
        Some(code) if code < 0 => Err(Errno::from_raw(code.wrapping_neg())),
        _ => Err(Errno::EBADMSG),
    }
}

/// The value of an attribute (length u16 with its header of 4, type u16, value, padding to 4).
pub(super) fn attribute(answer: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = answer.get(SOCKET..)?;
    loop {
        let length = usize::from(u16_at(rest, 0)?);
        let value = rest.get(4..length)?;
        if u16_at(rest, 2)? == wanted {
            return Some(value);
        }
        rest = rest.get(aligned(length)..)?;
    }
}

/// Rounds up to the 4 bytes to which netlink aligns everything.
fn aligned(length: usize) -> usize {
    length.checked_next_multiple_of(4).unwrap_or(usize::MAX)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_ne_bytes)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
pub(super) mod tests {
    use super::*;

    pub(in crate::sys::diag) fn attribute_bytes(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    pub(in crate::sys::diag) fn socket_bytes(
        kind: u8,
        inode: u32,
        attributes: &[Vec<u8>],
    ) -> Vec<u8> {
        let mut bytes = vec![1, kind, 10, 0];
        bytes.extend(inode.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(attributes.concat());
        bytes
    }

    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(u32::try_from(body.len() + HEADER).unwrap().to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(SEQUENCE.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    #[test]
    fn a_cut_message_is_refused() {
        let whole = socket_bytes(5, 7, &[attribute_bytes(UNIX_DIAG_NAME, b"/run/a\0")]);
        let piece = message(SOCK_DIAG_BY_FAMILY, 0, &whole);
        for end in 1..piece.len() {
            assert_eq!(
                digest(&piece[..end], &mut |_| ()),
                Err(Errno::EBADMSG),
                "cut at {end}"
            );
        }
        assert_eq!(digest(&piece, &mut |_| ()), Ok(true));
    }

    #[test]
    fn lengths_that_lie_end_the_search() {
        for length in [0_u16, 1, 3, 9, u16::MAX] {
            let mut bytes = socket_bytes(5, 7, &[]);
            bytes.extend(length.to_ne_bytes());
            bytes.extend([9, 0, 1, 2]);
            assert_eq!(attribute(&bytes, UNIX_DIAG_NAME), None);
        }
        for length in [0_u32, 15, 17, u32::MAX] {
            let mut piece = message(NLMSG_DONE, 0, &[]);
            piece[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(digest(&piece, &mut |_| ()), Err(Errno::EBADMSG));
        }
    }

    #[test]
    fn verdicts_are_kept_apart() {
        let verdict =
            |code: i32| digest(&message(NLMSG_ERROR, 0, &code.to_ne_bytes()), &mut |_| ());
        assert_eq!(verdict(0), Ok(true));
        assert_eq!(verdict(-libc::ENOENT), Err(Errno::ENOENT));
        assert_eq!(verdict(5), Err(Errno::EBADMSG));
        assert_eq!(verdict(i32::MIN), Err(Errno::UnknownErrno));
        let two = message(SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, &socket_bytes(5, 7, &[])).repeat(2);
        let mut seen = 0;
        assert_eq!(
            digest(&two, &mut |_| seen += 1),
            Ok(false),
            "a dump goes on until it is done"
        );
        assert_eq!(seen, 2);
    }
}
