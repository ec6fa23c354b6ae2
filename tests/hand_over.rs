//! A hand-over that is held up, fails, or loses one of its sides at any step.
#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends, and who is given a socket keeps it"
)]

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::thread::JoinHandle;

use doors::{CallCondition, CallState, Door, DoorCondition};
use harness::raw::{self, Fields, Outcome, Packet, kind};
use harness::{Census, Directory, Peer, Watchdog};
use nix::sys::signal::Signal;

const PEER: &str = env!("CARGO_BIN_EXE_peer");
/// Bytes of the packets of a hand-over (PROTOCOL.md).
const DOOR: usize = 48;
const LISTENER: usize = 20;
const TOKEN: usize = 28;
const CONNECTION: usize = 20;
const END: usize = 20;
const ANSWER: usize = 20;
/// The failure code of a server that is about to be replaced.
const DRAINING: u32 = 7;

struct Scene {
    directory: Directory,
    path: PathBuf,
    server: Peer,
    /// A copy of the server's end of the socket, through which can be seen what waits there.
    copy: Option<OwnedFd>,
}

impl Scene {
    /// A server with one door and one name.
    fn new(name: &str) -> Self {
        let directory = Directory::new(name);
        let path = directory.join("door");
        let mut server = start(&directory);
        ask(
            &mut server,
            &format!("create {}", path.display()),
            "created",
        );
        Self {
            directory,
            path,
            server,
            copy: None,
        }
    }

    fn open(&self) -> Door {
        Door::open(&self.path).unwrap()
    }

    /// A door with a session.
    fn caller(&self) -> Door {
        let door = self.open();
        assert_eq!(answer(&door, "first"), self.server.pid());
        assert_eq!(answer(&door, "second"), self.server.pid());
        door
    }

    /// Gives the server its end, and drains it; the successor's end.
    fn connect_busy(&mut self, drain: &str, expected: &str) -> OwnedFd {
        let (ours, theirs) = raw::pair();
        give(&self.directory, &mut self.server, &theirs);
        ask(&mut self.server, drain, expected);
        self.copy = Some(theirs);
        ours
    }

    fn connect(&mut self) -> OwnedFd {
        let ours = self.connect_busy("drain 10000", "unfinished 0");
        self.copy = None;
        ours
    }

    /// Begins a hand-over that cannot end, because more is to be sent than the socket holds, and nobody reads.
    fn stick(&mut self) -> OwnedFd {
        ask(&mut self.server, &mint_many(), "minted");
        let ours = self.connect_busy("drain 10000", "unfinished 0");
        self.server.say("hand over");
        while raw::waiting_bytes(&ours) == 0 {
            std::thread::yield_now();
        }
        ours
    }

    /// Begins a hand-over, of so many bytes in all, that waits for its acceptance.
    fn offer(&mut self, bytes: usize) -> OwnedFd {
        let ours = self.connect_busy("drain 10000", "unfinished 0");
        self.server.say("hand over");
        while raw::waiting_bytes(&ours) != bytes {
            std::thread::yield_now();
        }
        ours
    }

    /// A successor that holds this end of the socket.
    fn successor(&self, socket: OwnedFd) -> Peer {
        let mut successor = start(&self.directory);
        give(&self.directory, &mut successor, &socket);
        drop(socket);
        successor
    }

    /// Waits until the (stopped) server could read the successor's answer.
    fn until_answered(&self) {
        while raw::waiting_bytes(self.copy.as_ref().unwrap()) != ANSWER {
            std::thread::yield_now();
        }
    }

    /// How often a call was executed, by whomever.
    fn executed(&self, call: &str) -> usize {
        let log = std::fs::read_to_string(self.directory.join("log")).unwrap();
        log.lines()
            .filter(|line| line.split(' ').next() == Some(call))
            .count()
    }

    /// Whether a fresh server can serve the name, and the clients find it.
    fn starts_anew(&self) {
        let mut fresh = start(&self.directory);
        ask(
            &mut fresh,
            &format!("create {}", self.path.display()),
            "created",
        );
        assert_eq!(answer(&self.open(), "anew"), fresh.pid());
    }
}

/// Gives a peer its end of the socket between the servers.
fn give(directory: &Directory, peer: &mut Peer, socket: impl AsFd) {
    let at = directory.join("way");
    ask(peer, &format!("listen {}", at.display()), "listening");
    let way = raw::connect(&at);
    ask(peer, "accept", "accepted");
    raw::send(&way, b"socket", &[socket.as_fd()]).unwrap();
    ask(peer, "receive", "received");
    std::fs::remove_file(&at).unwrap();
}

fn start(directory: &Directory) -> Peer {
    let log = directory.join("log");
    Peer::start(PEER, "restart-link", &[log.to_str().unwrap()])
}

fn ask(peer: &mut Peer, command: &str, expected: &str) {
    peer.say(command);
    peer.expect(expected);
}

/// More references than the socket of a hand-over holds: the kernel charges a packet with 512 bytes and more.
fn mint_many() -> String {
    let room = std::fs::read_to_string("/proc/sys/net/core/wmem_default").unwrap();
    let room: usize = room.trim().parse().unwrap();
    format!("mint {}", room / 512 + 50)
}

/// Takes over and serves.
fn succeed(successor: &mut Peer) {
    ask(successor, "take over", "taken over 1");
    ask(successor, "serve", "serving");
}

/// Calls once; which process has answered.
fn answer(door: &Door, data: &str) -> u32 {
    let reply = door.call(data.as_bytes(), vec![]).unwrap().data;
    let (pid, echo) = reply.split_first_chunk().unwrap();
    assert_eq!(&echo[..data.len()], data.as_bytes());
    u32::from_le_bytes(*pid)
}

/// Calls until it is answered; whatever comes in between is a call that was not executed. A `NoDoor` would send the
/// caller away from a door that lives.
fn answered_at_last(door: &Door, data: &str) -> u32 {
    loop {
        match door.call(data.as_bytes(), vec![]) {
            Ok(reply) => return u32::from_le_bytes(*reply.data.first_chunk().unwrap()),
            Err(error) => {
                assert_eq!(error.call_state(), CallState::NotExecuted, "{error:?}");
                assert_ne!(error.condition, CallCondition::NoDoor);
            }
        }
    }
}

fn calling(door: &Door, data: &'static str) -> JoinHandle<u32> {
    let door = door.clone();
    std::thread::spawn(move || answer(&door, data))
}

fn refused(door: &Door) {
    let error = door.call(b"refused", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::Draining);
}

#[test]
fn what_comes_in_the_middle_of_a_hand_over_reaches_the_successor() {
    let _watchdog = Watchdog::new("what_comes_in_the_middle_of_a_hand_over_reaches_the_successor");
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    let socket = scene.stick();
    refused(&door);
    let late = scene.open();
    let first_call = calling(&late, "late");
    let asking = {
        let door = door.clone();
        std::thread::spawn(move || door.descriptor().unwrap())
    };
    let mut successor = scene.successor(socket);
    refused(&door);
    succeed(&mut successor);
    scene.server.expect("handed over 1");
    // Neither has met a hiccup.
    assert_eq!(first_call.join().unwrap(), successor.pid());
    let fresh = Door::from_descriptor(asking.join().unwrap()).unwrap();
    assert_eq!(answer(&fresh, "fresh"), successor.pid());
    assert_eq!(answered_at_last(&door, "door"), successor.pid());
    assert_eq!(scene.executed("late"), 1);
    assert_eq!(scene.executed("refused"), 0);
    // The name is the successor's: its old server cannot take it away.
    ask(&mut scene.server, "detach", "Ok(false)");
    assert_eq!(answer(&scene.open(), "open"), successor.pid());
    // What the old server's program still tries gets a clear word.
    ask(&mut scene.server, "mint 1", "error Draining");
    // All doors are reached through one session, whoever made their sockets, and if he lives.
    scene.server.kill();
    let named = scene.open();
    for door in [&door, &late, &fresh, &named] {
        assert_eq!(answer(door, "one"), successor.pid());
        assert_eq!(answer(door, "two"), successor.pid());
        assert_eq!(door.info().unwrap().figures.unwrap().sessions, 1);
    }
}

#[test]
fn a_door_is_neither_passed_on_nor_named_in_the_middle_of_a_hand_over() {
    let _watchdog =
        Watchdog::new("a_door_is_neither_passed_on_nor_named_in_the_middle_of_a_hand_over");
    let mut scene = Scene::new("hand_over");
    ask(&mut scene.server, "create-secret", "created");
    let door = scene.caller();
    ask(&mut scene.server, &mint_many(), "minted");
    // A call that goes on meanwhile asks for a descriptor, and for a name.
    let waiting = calling(&door, "wm");
    while scene.executed("wm") == 0 {
        std::thread::yield_now();
    }
    let socket = scene.connect_busy("drain 0", "unfinished 1");
    scene.server.say("hand over");
    while raw::waiting_bytes(&socket) == 0 {
        std::thread::yield_now();
    }
    std::fs::write(scene.directory.join("go"), b"").unwrap();
    scene.server.expect("Err(Draining)");
    scene.server.expect("Err(Draining)");
    let name = scene.directory.join("name");
    assert!(!name.exists(), "a name that nobody serves");
    assert_eq!(waiting.join().unwrap(), scene.server.pid());
    let mut successor = scene.successor(socket);
    ask(&mut successor, "take over", "taken over 2");
    ask(&mut successor, "serve", "serving");
    scene.server.expect("handed over 2");
    assert_eq!(answered_at_last(&door, "after"), successor.pid());
}

#[test]
fn a_session_ends_with_the_hand_over_even_while_a_call_goes_on_in_it() {
    let _watchdog =
        Watchdog::new("a_session_ends_with_the_hand_over_even_while_a_call_goes_on_in_it");
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    let waiting = {
        let door = door.clone();
        std::thread::spawn(move || door.call(b"w", vec![]).unwrap_err())
    };
    while scene.executed("w") == 0 {
        std::thread::yield_now();
    }
    let socket = scene.connect_busy("drain 20", "unfinished 1");
    let mut successor = scene.successor(socket);
    scene.server.say("hand over");
    succeed(&mut successor);
    scene.server.expect("handed over 1");
    assert_eq!(answered_at_last(&door, "next"), successor.pid());
    let error = waiting.join().unwrap();
    assert_eq!(error.condition, CallCondition::ServerDied { taken: true });
}

#[test]
fn a_first_call_that_waits_for_a_thread_is_sent_to_the_successor() {
    let _watchdog = Watchdog::new("a_first_call_that_waits_for_a_thread_is_sent_to_the_successor");
    let mut scene = Scene::new("hand_over");
    ask(&mut scene.server, "ceiling 1", "so be it");
    let running = {
        let late = scene.open();
        std::thread::spawn(move || answer(&late, "w"))
    };
    while scene.executed("w") == 0 {
        std::thread::yield_now();
    }
    let late = raw::connect(&scene.path);
    let call = Packet::new(kind::CALL).u64(1).u32(0).payload(b"queued");
    raw::send(&late, &call.bytes(), &[]).unwrap();
    let heard = raw::receive(&late).unwrap();
    assert_eq!(Fields::of(&heard.bytes, kind::QUEUED).u64(), 1);
    let socket = scene.connect_busy("drain 20", "unfinished 1");
    let mut successor = scene.successor(socket);
    scene.server.say("hand over");
    succeed(&mut successor);
    scene.server.expect("handed over 1");
    let heard = raw::receive(&late).unwrap();
    let mut reply = Fields::of(&heard.bytes, kind::REPLY);
    assert_eq!((reply.u64(), reply.u32()), (1, DRAINING));
    // The same connection leads to the successor now.
    let late = Door::from_descriptor(late).unwrap();
    assert_eq!(answer(&late, "queued"), successor.pid());
    // A first call that runs needs no session: its answer comes.
    ask(&mut scene.server, "release", "released");
    assert_eq!(running.join().unwrap(), scene.server.pid());
    assert_eq!(scene.executed("queued"), 1);
}

#[test]
fn a_server_waits_until_results_that_travel_in_parts_have_gone() {
    let _watchdog = Watchdog::new("a_server_waits_until_results_that_travel_in_parts_have_gone");
    let mut scene = Scene::new("hand_over");
    let connection = raw::connect(&scene.path);
    let mut session = raw::Session::open(&connection);
    session.call.write(session.area_at(0), b"r");
    let mut head = session.head(1);
    let outcome = session.turn(&head);
    let Outcome::Answer(2, _, total) = outcome else {
        panic!("the results came in one part: {outcome:?}");
    };
    ask(&mut scene.server, "drain 20", "unfinished 1");
    ask(&mut scene.server, "resume", "resumed");
    (head.step, head.part) = (3, 0);
    let mut have = u64::try_from(session.ledger.area).unwrap();
    while let Outcome::Answer(2, 0, same) = session.turn(&head) {
        assert_eq!(same, total);
        have += u64::try_from(session.ledger.area).unwrap();
    }
    assert!(have < total, "the last part is not counted");
    ask(&mut scene.server, "drain 10000", "unfinished 0");
}

/// How a hand-over fails; what the old server says.
type Failure = (&'static str, fn(&mut Scene) -> OwnedFd, fn(&Scene, OwnedFd));

fn nobody_takes(_scene: &Scene, socket: OwnedFd) {
    drop(socket);
}

fn all_is_read_and_not_taken(_scene: &Scene, socket: OwnedFd) {
    loop {
        let heard = raw::receive(&socket).unwrap();
        if heard.bytes[6..8] == kind::HAND_END.to_le_bytes() {
            return;
        }
    }
}

fn something_else_is_answered(_scene: &Scene, socket: OwnedFd) {
    let nonsense = Packet::new(kind::RING).bytes();
    raw::send(&socket, &nonsense, &[]).unwrap();
    // The old server closes its end.
    raw::is_over(&socket);
}

fn another_number_is_taken(_scene: &Scene, socket: OwnedFd) {
    let taken = Packet::new(kind::HAND_TAKEN).u32(7).bytes();
    raw::send(&socket, &taken, &[]).unwrap();
    raw::is_over(&socket);
}

fn the_successor_is_killed(scene: &Scene, socket: OwnedFd) {
    scene.successor(socket).kill();
}

/// It has accepted, and is dead before the old server reads so.
fn the_successor_is_killed_after_its_answer(scene: &Scene, socket: OwnedFd) {
    scene.server.signal(Signal::SIGSTOP);
    let mut successor = scene.successor(socket);
    successor.say("take over");
    scene.until_answered();
    successor.kill();
    scene.server.signal(Signal::SIGCONT);
}

/// As before, with a copy of its end in other hands: only the kernel's word for its death is there.
fn the_successor_is_killed_and_its_end_stays_open(scene: &Scene, socket: OwnedFd) {
    let copy = socket.try_clone().unwrap();
    the_successor_is_killed_after_its_answer(scene, socket);
    assert!(
        raw::receive(&copy).is_none(),
        "the doors were given to nobody"
    );
}

fn stuck(scene: &mut Scene) -> OwnedFd {
    scene.stick()
}

fn offered(scene: &mut Scene) -> OwnedFd {
    // The door, its name, the caller's connection, and the token that it has asked for.
    scene.offer(DOOR + LISTENER + CONNECTION + TOKEN + END)
}

const FAILURES: [Failure; 8] = [
    ("in the middle, nobody reads", stuck, nobody_takes),
    ("all is sent, nobody reads", offered, nobody_takes),
    ("all is read", offered, all_is_read_and_not_taken),
    ("nonsense", offered, something_else_is_answered),
    ("another number", offered, another_number_is_taken),
    ("killed", offered, the_successor_is_killed),
    (
        "killed late",
        offered,
        the_successor_is_killed_after_its_answer,
    ),
    (
        "killed late, unseen",
        offered,
        the_successor_is_killed_and_its_end_stays_open,
    ),
];

#[test]
fn a_hand_over_that_fails_leaves_the_old_server_as_it_was() {
    let _watchdog = Watchdog::new("a_hand_over_that_fails_leaves_the_old_server_as_it_was");
    for (what, begin, fail) in FAILURES {
        let mut scene = Scene::new("hand_over");
        let door = scene.caller();
        let token = Door::from_descriptor(door.descriptor().unwrap()).unwrap();
        assert_eq!(answer(&token, "token"), scene.server.pid(), "{what}");
        let socket = begin(&mut scene);
        refused(&door);
        let mappings = Census::of(scene.server.pid()).mappings;
        let late = scene.open();
        let first_call = calling(&late, "late");
        fail(&scene, socket);
        let said = scene.server.hear();
        assert!(said.starts_with("error"), "{what}: {said}");
        let me = scene.server.pid();
        // Who came meanwhile has only waited; who had a session has it still.
        assert_eq!(first_call.join().unwrap(), me, "{what}");
        assert_eq!(answer(&door, "door"), me, "{what}");
        assert_eq!(answer(&token, "token2"), me, "{what}");
        assert_eq!(Census::of(me).mappings, mappings, "{what}");
        assert_eq!(answer(&scene.open(), "open"), me, "{what}");
        for call in ["late", "door", "token2", "open"] {
            assert_eq!(scene.executed(call), 1, "{what}: {call}");
        }
        // References come and go as ever, and the next hand-over is a whole one.
        let fresh = Door::from_descriptor(door.descriptor().unwrap()).unwrap();
        assert_eq!(answer(&fresh, "fresh"), me, "{what}");
        let socket = scene.connect();
        let mut successor = scene.successor(socket);
        scene.server.say("hand over");
        succeed(&mut successor);
        scene.server.expect("handed over 1");
        for door in [&door, &token, &fresh, &late] {
            assert_eq!(answered_at_last(door, "last"), successor.pid(), "{what}");
        }
    }
}

#[test]
fn a_name_that_is_removed_in_the_middle_is_noticed_when_the_hand_over_has_failed() {
    let _watchdog = Watchdog::new(
        "a_name_that_is_removed_in_the_middle_is_noticed_when_the_hand_over_has_failed",
    );
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    let references = |door: &Door| door.info().unwrap().figures.unwrap().references;
    let before = references(&door);
    let socket = scene.offer(DOOR + LISTENER + CONNECTION + END);
    std::fs::remove_file(&scene.path).unwrap();
    refused(&door);
    drop(socket);
    assert!(scene.server.hear().starts_with("error"));
    while references(&door) != before - 1 {
        std::thread::yield_now();
    }
    assert_eq!(answer(&door, "door"), scene.server.pid());
}

/// Whether every door says that the call was not executed, or that nobody knows.
fn is_lost(door: &Door) {
    let error = door.call(b"lost", vec![]).unwrap_err();
    assert_eq!(error.call_state(), CallState::NotExecuted, "{error:?}");
}

/// Without a copy of the old server's end that would keep the socket open.
fn stick_unwatched(scene: &mut Scene) -> OwnedFd {
    let socket = scene.stick();
    scene.copy = None;
    socket
}

/// Brings a hand-over to some point; the successor's socket.
type Stage = fn(&mut Scene) -> OwnedFd;

#[test]
fn an_old_server_that_is_killed_before_all_is_there_has_no_successor() {
    let _watchdog =
        Watchdog::new("an_old_server_that_is_killed_before_all_is_there_has_no_successor");
    let stages: [Stage; 3] = [Scene::connect, Scene::stick, stick_unwatched];
    for begin in stages {
        let mut scene = Scene::new("hand_over");
        let door = scene.caller();
        let socket = begin(&mut scene);
        refused(&door);
        let mut successor = scene.successor(socket);
        scene.server.kill();
        ask(&mut successor, "take over", "error NoDoor");
        is_lost(&door);
        let error = Door::open(&scene.path).unwrap_err();
        assert!(
            matches!(error.condition(), DoorCondition::Name(_)),
            "{error:?}"
        );
        scene.starts_anew();
        assert_eq!(scene.executed("lost"), 0);
    }
}

#[test]
fn an_old_server_that_is_killed_when_all_is_there_has_its_successor() {
    let _watchdog =
        Watchdog::new("an_old_server_that_is_killed_when_all_is_there_has_its_successor");
    // Killed before the successor reads; before it reads the successor's answer; after it. Also when only the kernel's
    // word for its death is there, since somebody else holds a copy of its end.
    for (stage, watched) in [(0, false), (0, true), (1, true), (2, false)] {
        let mut scene = Scene::new("hand_over");
        let door = scene.caller();
        let socket = scene.offer(DOOR + LISTENER + CONNECTION + END);
        let late = scene.open();
        let first_call = calling(&late, "late");
        let mut successor = scene.successor(socket);
        if !watched {
            scene.copy = None;
        }
        match stage {
            0 => scene.server.kill(),
            1 => scene.server.signal(Signal::SIGSTOP),
            _ => {}
        }
        successor.say("take over");
        if stage == 1 {
            scene.until_answered();
            scene.server.kill();
        }
        successor.expect("taken over 1");
        if stage == 2 {
            scene.server.kill();
        }
        ask(&mut successor, "serve", "serving");
        assert_eq!(first_call.join().unwrap(), successor.pid());
        assert_eq!(answered_at_last(&door, "door"), successor.pid());
        assert_eq!(answer(&scene.open(), "open"), successor.pid());
        for call in ["late", "door", "open"] {
            assert_eq!(scene.executed(call), 1, "{stage}: {call}");
        }
    }
}

#[test]
fn an_old_server_that_thinks_better_of_it_has_no_successor() {
    let _watchdog = Watchdog::new("an_old_server_that_thinks_better_of_it_has_no_successor");
    let scene = Scene::new("hand_over");
    // It is this process that plays the old server, and it lives: it may go on to serve.
    let (socket, theirs) = raw::pair();
    let mut successor = scene.successor(theirs);
    successor.say("take over");
    let end = Packet::new(kind::HAND_END).u32(0).bytes();
    raw::send(&socket, &end, &[]).unwrap();
    let taken = raw::receive(&socket).unwrap();
    assert_eq!(Fields::of(&taken.bytes, kind::HAND_TAKEN).u32(), 0);
    drop(socket);
    successor.expect("error NoDoor");
}

#[test]
fn a_successor_that_is_killed_before_it_serves_takes_the_doors_along() {
    let _watchdog =
        Watchdog::new("a_successor_that_is_killed_before_it_serves_takes_the_doors_along");
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    let socket = scene.connect();
    let mut successor = scene.successor(socket);
    scene.server.say("hand over");
    ask(&mut successor, "take over", "taken over 1");
    scene.server.expect("handed over 1");
    successor.kill();
    is_lost(&door);
    is_lost(&door);
    ask(&mut scene.server, "drop-attachments", "dropped");
    scene.starts_anew();
    assert_eq!(scene.executed("lost"), 0);
}

#[test]
fn a_revoked_door_is_not_handed_over() {
    let _watchdog = Watchdog::new("a_revoked_door_is_not_handed_over");
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    ask(&mut scene.server, "revoke", "revoked");
    let error = door.call(b"", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::NoDoor);
    let socket = scene.connect();
    let mut successor = scene.successor(socket);
    scene.server.say("hand over");
    ask(&mut successor, "take over", "taken over 0");
    scene.server.expect("handed over 0");
    // Its session ends with all others, at any moment; the door is what it was, for whoever comes.
    is_lost(&door);
    let error = scene.open().call(b"", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::NoDoor);
}

#[test]
fn a_door_whose_references_go_one_after_the_other_is_not_unreferenced_before_the_last() {
    let _watchdog = Watchdog::new(
        "a_door_whose_references_go_one_after_the_other_is_not_unreferenced_before_the_last",
    );
    let mut scene = Scene::new("hand_over");
    ask(&mut scene.server, "create-secret", "created");
    let door = scene.caller();
    let ask_for_one = || door.call(b"s", vec![]).unwrap().descriptors.pop().unwrap();
    let kept = ask_for_one();
    let dropped: Vec<_> = (0..60).map(|_| ask_for_one()).collect();
    let socket = scene.stick();
    // Their ends are there to be seen as soon as the successor looks.
    drop(dropped);
    let mut successor = scene.successor(socket);
    ask(&mut successor, "take over", "taken over 2");
    ask(&mut successor, "serve", "serving");
    scene.server.expect("handed over 2");
    let kept = Door::from_descriptor(kept).unwrap();
    assert_eq!(answer(&kept, "kept"), successor.pid());
    // By now the leader of the successor has seen the end of all others.
    while kept.info().unwrap().figures.unwrap().references > 1 {
        std::thread::yield_now();
    }
    assert_eq!(answer(&kept, "kept"), successor.pid());
    ask(&mut successor, "notices", "notices 0");
    drop(kept);
    ask(&mut successor, "await-notice", "notices 1");
}

#[test]
fn packets_of_a_hand_over_are_what_the_protocol_says() {
    let _watchdog = Watchdog::new("packets_of_a_hand_over_are_what_the_protocol_says");
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    let id = door.info().unwrap().id;
    let socket = scene.offer(DOOR + LISTENER + CONNECTION + END);
    let heard = raw::receive(&socket).unwrap();
    assert_eq!(Fields::of(&heard.bytes, kind::HAND_DOOR).u64(), id);
    let mut listener = raw::receive(&socket).unwrap();
    let _fields = Fields::of(&listener.bytes, kind::HAND_LISTENER);
    let listener = listener.fds.pop().unwrap();
    let mut connection = raw::receive(&socket).unwrap();
    let _fields = Fields::of(&connection.bytes, kind::HAND_CONNECTION);
    let connection = connection.fds.pop().unwrap();
    let end = raw::receive(&socket).unwrap();
    assert_eq!(Fields::of(&end.bytes, kind::HAND_END).u32(), 1);
    let taken = Packet::new(kind::HAND_TAKEN).u32(1).bytes();
    raw::send(&socket, &taken, &[]).unwrap();
    let done = raw::receive(&socket).unwrap();
    let _fields = Fields::of(&done.bytes, kind::HAND_DONE);
    scene.server.expect("handed over 1");
    // Both are ours alone now.
    let waiting = raw::connect(&scene.path);
    drop(raw::accept(&listener));
    raw::is_over(waiting);
    drop(connection);
    is_lost(&door);
}
