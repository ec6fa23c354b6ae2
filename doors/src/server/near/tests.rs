use std::os::fd::OwnedFd;
use std::sync::Mutex;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, socket};

use super::*;
use crate::primitive::AtomicBool;
use crate::server::names::Taken;
use crate::sys::{fork, listen};
use crate::{Door, DoorAttributes};

/// A listener that a test looks at in the leader's stead.
struct Scene {
    runtime: Arc<Runtime>,
    attached: Arc<Attached>,
    address: UnixAddr,
    near: Near,
}

fn packet_socket() -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap()
}

impl Scene {
    fn new(born_here: bool) -> Self {
        let door = Door::create(
            |call| call.door_return(&[], vec![]),
            DoorAttributes::empty(),
        );
        let door = door.unwrap();
        let (_, core) = door.attachable().unwrap();
        let listener = packet_socket();
        listen::bind(&listener, &UnixAddr::new_unnamed()).unwrap();
        listen::listen(&listener, 8).unwrap();
        let address = listen::address(&listener).unwrap();
        let runtime = Arc::new(Runtime::new(fork::life()).unwrap());
        let attached = Arc::new(Attached {
            key: runtime.next_key(),
            core: core.clone(),
            listener,
            name: None,
            handed_over: AtomicBool::new(false),
            borrowed: !born_here,
            born_here,
            accepting: Mutex::default(),
            path: None,
            access: None,
            watch: None,
        });
        runtime.listen(&attached).unwrap();
        Self {
            runtime,
            attached,
            address,
            near: Near::default(),
        }
    }

    /// Somebody connects: the other end.
    fn connects(&self) -> OwnedFd {
        let caller = packet_socket();
        listen::connect(&caller, &self.address).unwrap();
        caller
    }

    /// Takes who has connected.
    fn takes(&mut self) -> Arc<Token> {
        let Taken::One(token, _) = self.runtime.take_connection(&self.attached).unwrap() else {
            panic!("nobody has come")
        };
        self.near.came_by(&self.attached);
        token
    }

    /// One whose first call was run.
    fn stays(&mut self) -> OwnedFd {
        let caller = self.connects();
        let token = self.takes();
        assert!(self.near.add(&token));
        caller
    }

    /// The first look of a turn; the keys of what is reported.
    fn looks(&mut self) -> Option<Vec<u64>> {
        self.near.begin_turn();
        let mut events = [EpollEvent::empty(); 4];
        let count = self.near.look(&self.runtime, &mut events, true)?;
        Some(events.iter().take(count).map(EpollEvent::data).collect())
    }

    /// As many turns in which somebody has come as are believed. The next look is not around.
    fn is_believed(&mut self) {
        for _ in 0..SURE_AFTER {
            let _caller = self.connects();
            assert_eq!(self.looks(), Some(vec![self.attached.key]));
            let token = self.takes();
            self.runtime.forget(token.key);
        }
        self.near.looks = 0;
    }
}

#[test]
fn everything_that_is_watched_is_looked_at_every_few_looks() {
    let mut scene = Scene::new(true);
    let _caller = scene.stays();
    assert!((0..2 * AROUND_EVERY).all(|_| scene.looks().is_none()));
    scene.runtime.wake();
    let looks = (1..=AROUND_EVERY).find(|_| scene.looks() == Some(vec![0]));
    assert_eq!(looks, Some(AROUND_EVERY));
}

#[test]
fn who_has_come_often_is_taken_for_granted_once_in_vain() {
    let mut scene = Scene::new(true);
    let _caller = scene.stays();
    scene.is_believed();
    assert_eq!(scene.looks(), Some(vec![scene.attached.key]));
    // Without an offer of the processor nobody is.
    let mut events = [EpollEvent::empty(); 4];
    let again = scene.near.look(&scene.runtime, &mut events, false);
    assert_eq!(again, None);
    scene.near.nobody_came();
    assert_eq!(scene.looks(), None);
}

#[test]
fn nobody_is_taken_for_granted_at_a_listener_that_others_have() {
    let mut scene = Scene::new(false);
    let _caller = scene.stays();
    scene.is_believed();
    assert_eq!(scene.looks(), None);
}

#[test]
fn a_listener_that_is_gone_or_rests_is_not_looked_at() {
    let mut scene = Scene::new(true);
    let _caller = scene.stays();
    scene.is_believed();
    scene.near.forget(&scene.attached);
    assert_eq!(scene.looks(), None);
}

#[test]
fn what_is_seen_of_a_connection_is_said_of_no_other() {
    let mut scene = Scene::new(true);
    let gone = scene.stays();
    drop(gone);
    assert_eq!(scene.looks(), Some(vec![]));
    let _caller = scene.stays();
    let (_, seen) = scene.near.next().unwrap();
    assert_eq!(seen, Seen::End);
    // It has come in this turn.
    assert!(scene.near.next().is_none());
    scene.near.begin_turn();
    let (_, seen) = scene.near.next().unwrap();
    assert_eq!(seen, Seen::Nothing);
}
