//! What the kernel's socket diagnosis (`sock_diag(7)`) knows about Unix sockets.

mod message;

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recvfrom, send, socket,
};
use nix::sys::stat::fstat;

use super::Result;
use message::{
    UDIAG_SHOW_NAME, UDIAG_SHOW_RQLEN, UDIAG_SHOW_VFS, UNIX_DIAG_NAME, UNIX_DIAG_RQLEN,
    UNIX_DIAG_VFS, ask_for_listeners, ask_for_one, attribute, digest, u32_at,
};

/// The kernel builds a dump in pieces of at most 32 KiB (`netlink_dump`).
const PIECE: usize = 32 * 1024;

/// Whether a socket with this inode still exists, in whatever process or unread message it is held.
///
/// A holder can fake a hang-up with shutdown(2); it cannot fake the end of its socket. The question
/// covers the network namespace of this thread: ask only about sockets that were made in it.
/// `Ok(false)` is said only on good evidence, so any doubt is an error or `true`.
pub(crate) fn socket_inode_exists(inode: u64) -> Result<bool> {
    // The interface has 32 bits for an inode. sockfs numbers its inodes with a 32-bit counter
    // (`get_next_ino`) that skips 0, so others can only come from a kernel that we do not know.
    let Ok(number) = u32::try_from(inode) else {
        return listed(inode);
    };
    if number == 0 {
        return Ok(false);
    }
    match one(number, 0) {
        Ok(_) => Ok(true),
        // Also the answer of a kernel that has no unix_diag at all: it must find a living socket
        // first.
        Err(Errno::ENOENT) if finds_the_living() => Ok(false),
        Err(_) => listed(inode),
    }
}

/// The low 32 bits of the file inode at which a socket is bound, if it is bound in the file system.
pub(crate) fn bound_inode(inode: u64) -> Result<Option<u32>> {
    let number = u32::try_from(inode).map_err(|_| Errno::EOVERFLOW)?;
    let answer = one(number, UDIAG_SHOW_VFS)?;
    Ok(attribute(&answer, UNIX_DIAG_VFS).and_then(|value| u32_at(value, 0)))
}

/// Every `SOCK_SEQPACKET` socket that listens at a path, with its inode and its backlog.
///
/// The path is what the socket was bound to: for a name that is too long for a socket address it
/// leads through `/proc` of the binding thread. Abstract names are left out.
pub(crate) fn listeners() -> Result<Vec<(PathBuf, u64, u32)>> {
    let mut found = Vec::new();
    let show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN;
    let asked = exchange(&ask_for_listeners(show), |answer| {
        found.extend(listener(answer));
    });
    match asked {
        Ok(()) => Ok(found),
        // No socket is missing from a list: the kernel has no unix_diag.
        Err(Errno::ENOENT) => Err(Errno::EOPNOTSUPP),
        Err(errno) => Err(errno),
    }
}

/// Reads one socket of a dump; `None` for sockets that are not meant.
fn listener(answer: &[u8]) -> Option<(PathBuf, u64, u32)> {
    if i32::from(*answer.get(1)?) != libc::SOCK_SEQPACKET {
        return None;
    }
    let name = attribute(answer, UNIX_DIAG_NAME)?;
    // The name comes with its terminating NUL. One that starts with NUL is abstract.
    let path = name
        .split(|byte| *byte == 0)
        .next()
        .filter(|path| !path.is_empty())?;
    let inode = u64::from(u32_at(answer, 4)?);
    // `struct unix_diag_rqlen`: for a listener, rqueue counts who waits, wqueue is the backlog.
    let backlog = u32_at(attribute(answer, UNIX_DIAG_RQLEN)?, 4)?;
    Some((PathBuf::from(OsStr::from_bytes(path)), inode, backlog))
}

/// Asks for one socket: ENOENT if there is none.
fn one(inode: u32, show: u32) -> Result<Vec<u8>> {
    let mut found = None;
    exchange(&ask_for_one(inode, show), |answer| {
        found = Some(answer.to_vec());
    })?;
    let answer: Vec<u8> = found.ok_or(Errno::EBADMSG)?;
    if u32_at(&answer, 4) == Some(inode) {
        Ok(answer)
    } else {
        Err(Errno::EBADMSG)
    }
}

/// Whether diagnosis finds a socket that surely lives. Needed once, before its ENOENT is believed.
fn finds_the_living() -> bool {
    static FINDS: OnceLock<()> = OnceLock::new();
    // Only success is remembered: failure may be a passing lack of descriptors.
    if FINDS.get().is_none() && find_our_own().is_ok() {
        FINDS.get_or_init(|| ());
    }
    FINDS.get().is_some()
}

/// Makes a socket, then asks for it.
fn find_our_own() -> Result<Vec<u8>> {
    let alive = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    one(
        u32::try_from(fstat(&alive)?.st_ino).map_err(|_| Errno::EOVERFLOW)?,
        0,
    )
}

/// Looks for an inode in `/proc/net/unix`, for want of netlink.
fn listed(inode: u64) -> Result<bool> {
    // Not `/proc/net`, which is gone as soon as the first thread of the process has ended.
    const LIST: &str = "/proc/thread-self/net/unix";
    // Between two read(2) the list goes on by position, so the end of one socket can hide another:
    // once.
    for _ in 0..2 {
        let list = std::fs::read(LIST)
            .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        if lists(&list, inode) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a line of the list has this inode in its seventh column. A bound path may hold a
/// newline, so that somebody can forge a line: that makes a dead socket look alive, never the
/// reverse.
fn lists(list: &[u8], inode: u64) -> bool {
    let wanted = inode.to_string();
    list.split(|byte| *byte == b'\n').any(|line| {
        let mut columns = line
            .split(u8::is_ascii_whitespace)
            .filter(|column| !column.is_empty());
        columns.nth(6) == Some(wanted.as_bytes())
    })
}

/// Puts one question, and shows every socket of the answer to `each`.
fn exchange(question: &[u8], mut each: impl FnMut(&[u8])) -> Result<()> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let netlink: OwnedFd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkSockDiag,
    )?;
    // Without an address a netlink message goes to the kernel, which has queued its answer (of a
    // dump: the first piece; each read queues the next) when send returns. So nothing here can
    // block.
    send(netlink.as_raw_fd(), question, MsgFlags::empty())?;
    let mut buffer = vec![0; PIECE];
    loop {
        let (length, sender) = recvfrom::<NetlinkAddr>(netlink.as_raw_fd(), &mut buffer)?;
        // Another process can write to our netlink socket; port 0 is the kernel's alone.
        if sender.is_none_or(|address| address.pid() != 0) {
            continue;
        }
        if digest(buffer.get(..length).ok_or(Errno::EBADMSG)?, &mut each)? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::message::tests::{attribute_bytes, socket_bytes};
    use super::*;

    fn rqlen(backlog: u32) -> Vec<u8> {
        attribute_bytes(UNIX_DIAG_RQLEN, &[[0; 4], backlog.to_ne_bytes()].concat())
    }

    #[test]
    fn a_listener_is_read() {
        let name = attribute_bytes(UNIX_DIAG_NAME, b"/run/a\0");
        let whole = socket_bytes(5, 4_000_000_000, &[name.clone(), rqlen(1009)]);
        assert_eq!(
            listener(&whole),
            Some(("/run/a".into(), 4_000_000_000, 1009))
        );
        assert_eq!(
            listener(&socket_bytes(1, 7, &[name, rqlen(1009)])),
            None,
            "a stream socket"
        );
        let hidden = attribute_bytes(UNIX_DIAG_NAME, b"\0run/a");
        assert_eq!(
            listener(&socket_bytes(5, 7, &[hidden, rqlen(1009)])),
            None,
            "an abstract name"
        );
    }

    #[test]
    fn a_cut_listener_is_left_out() {
        let name = attribute_bytes(UNIX_DIAG_NAME, b"/run/a\0");
        let whole = socket_bytes(5, 7, &[name, rqlen(1009)]);
        for end in 0..whole.len() {
            assert_eq!(listener(&whole[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn the_list_is_searched_by_its_seventh_column() {
        let list = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0005 01 30133 /run/a 55\n\
            0000000000000000: 00000003 00000000 00000000 0001 03    17\n";
        assert!(lists(list, 30133));
        assert!(lists(list, 17));
        assert!(!lists(list, 3013));
        assert!(!lists(list, 55));
    }
}
