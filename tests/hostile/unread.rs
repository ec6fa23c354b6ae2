//! Descriptors that a server has sent, and that a client leaves unread.

use std::os::fd::{AsFd, OwnedFd};

use harness::Census;
use harness::raw::{self, Fields, Outcome, Packet, Session, kind};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::descriptors::{bring, channel_socket, null};
use crate::floods::{OTHER_USERS, as_another_user, served_by_another_user};

/// A client that sends so many descriptors with a call and is sent them back, on one channel.
struct Exchange {
    session: Session,
    /// Where they travel: the last one. A channel that falls quiet gets another.
    sockets: Vec<OwnedFd>,
}

impl Exchange {
    fn new(connection: &OwnedFd) -> Self {
        let session = Session::open(connection);
        let sockets = vec![channel_socket(&session)];
        Self { session, sockets }
    }

    fn socket(&self) -> &OwnedFd {
        self.sockets.last().unwrap()
    }

    /// Another socket; false if the server refuses one.
    fn ask_for_socket(&mut self) -> bool {
        self.session
            .say(&Packet::new(kind::WANT_SOCKET).u64(9).u32(0));
        loop {
            let heard = self.session.hear();
            let is = |kind: u16| heard.bytes[6..8] == kind.to_le_bytes();
            if is(kind::REFUSED) {
                return false;
            }
            if is(kind::SOCKET) {
                let asked = Fields::of(&heard.bytes, kind::SOCKET).u64() == 9;
                self.sockets.extend(heard.fds);
                if asked {
                    return true;
                }
            }
        }
    }

    /// Whether the reply was sent.
    fn call(&mut self, count: usize) -> bool {
        let null = null();
        let fds = vec![null.as_fd(); count];
        let number = u32::try_from(count).unwrap();
        let generation = self.session.turn + 1;
        while bring(self.socket(), generation, 0, number, &fds).is_none() {
            if !self.ask_for_socket() {
                return false;
            }
        }
        let session = &mut self.session;
        session.put(0, b"e");
        let mut head = session.head(1);
        head.descriptors = number;
        session.turn(&head) == Outcome::Answer(1, 0, 1)
    }

    /// Ends the session; what is left of the channel, when the server uses it no more.
    fn end(self) -> Vec<OwnedFd> {
        drop(self.session);
        for socket in &self.sockets {
            let mut ends = [PollFd::new(socket.as_fd(), PollFlags::empty())];
            poll(&mut ends, PollTimeout::NONE).unwrap();
        }
        self.sockets
    }
}

#[test]
fn case_20_what_one_user_leaves_unread_takes_descriptors_from_nobody_else() {
    let _watchdog = harness::Watchdog::new("case_20_unread");
    let [_, user] = OTHER_USERS;
    let directory = harness::Directory::new("case_20_unread");
    let Some((server, mut customer)) = served_by_another_user(user, &directory) else {
        return;
    };
    for _ in 0..2 {
        customer.say("send 2");
        customer.expect("reply 1 2");
    }
    let before = Census::of(server.pid());
    let mut unread = Vec::new();
    let mut lost = 0;
    for number in 0..8 {
        let connection = raw::connect(&directory.join("door"));
        if number >= 6 {
            // The replies to first calls lie in the connection.
            let null = null();
            let call = Packet::new(kind::CALL).u64(1).u32(200).payload(b"e");
            raw::queue(&connection, &call.bytes(), &[null.as_fd(); 200]).unwrap();
        } else {
            // Those to others in the socket of a channel, which outlives its session.
            let mut exchange = Exchange::new(&connection);
            for _ in 0..4 {
                lost += u32::from(!exchange.call(100));
            }
            unread.extend(exchange.end());
        }
        unread.push(connection);
        // Whoever takes what it is sent gets descriptors, and a session.
        customer.say("send 2");
        customer.expect("reply 1 2");
        let path = directory.join("door").display().to_string();
        let mut other = as_another_user(user, "customer", &[]).unwrap();
        other.expect("ready");
        other.say(&format!("open {path}"));
        other.expect("open");
        for _ in 0..2 {
            other.say("send 2");
            other.expect("reply 1 2");
        }
    }
    assert!(lost >= 8, "only {lost} replies were lost");
    drop(unread);
    // Who has taken everything is sent more.
    let connection = raw::connect(&directory.join("door"));
    let mut exchange = Exchange::new(&connection);
    for _ in 0..8 {
        assert!(exchange.call(100));
        let heard = raw::receive(exchange.socket()).unwrap();
        assert_eq!(heard.fds.len(), 100);
    }
    // What is left when the session has ended is given up when it is gone, although nobody comes any more.
    assert!(exchange.call(1));
    drop(connection);
    drop(exchange.end());
    Census::settle(server.pid(), "what was left unread", |now| {
        now.holds_no_more_than(&before, before.mappings)
    });
}
