//! Descriptors that a value has taken when the message turns out to be none: who sent them holds up nobody by their last close.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "peer/typed/custody.rs"]
mod custody;

use std::fmt::Debug;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use custody::{CustodyClient, CustodyDoor, Labelled, PANICS, Regular, Size};
use doors::typed::{Fd, Malformed};
use doors::{CallCondition, CallError, Door, DoorDesc, ProcedureError, Reply};
use harness::raw::Slow;
use harness::typed::Server;
use harness::{Census, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// Far longer than any of these calls takes, and far shorter than such a close.
fn soon() -> Instant {
    Instant::now().checked_add(Duration::from_secs(5)).unwrap()
}

/// A call of a method with the bytes of its arguments.
fn call(method: &str, arguments: &[u8]) -> Vec<u8> {
    let mut methods = CustodyDoor::INTERFACE.methods().iter();
    let method = methods.find(|found| found.name() == method).unwrap();
    [
        arguments,
        &method.number().to_le_bytes(),
        &method.tag(),
        &[1],
    ]
    .concat()
}

/// The answer to bytes that are no arguments.
fn refused(reason: u8, name: &str) -> Vec<u8> {
    [&[reason][..], name.as_bytes(), &[5, 0x81]].concat()
}

const SHORT: u8 = 1;
const LEFT_OVER: u8 = 2;
const BAD_VALUE: u8 = 3;
const NO_DESCRIPTOR: u8 = 7;
const NOT_FROZEN: u8 = 8;

/// Methods, arguments that are none, and how many descriptors come with them; what is wrong, and with what.
const REFUSED: [(&str, &[u8], usize, u8, &str); 15] = [
    ("file", &[2], 1, BAD_VALUE, "sure"),
    ("file", &[], 1, SHORT, "sure"),
    ("file", &[1, 1], 1, LEFT_OVER, ""),
    ("two", &[1], 2, NO_DESCRIPTOR, "third"),
    ("two", &[2], 3, BAD_VALUE, "other"),
    ("many", &[3, 0, 0, 0], 2, NO_DESCRIPTOR, "files"),
    ("labelled", &[1], 1, SHORT, "labelled"),
    ("labelled", &[2, 0, 0, 0, 0], 1, BAD_VALUE, "labelled"),
    ("labelled", &[1, 2, 0, 0, 0], 1, BAD_VALUE, "labelled"),
    ("labelled", &[1, 0, 0, 0, 0, 0], 1, LEFT_OVER, ""),
    ("then", &[1, 0, 0, 0, 0, 2], 1, BAD_VALUE, "sure"),
    ("pass", &[], 1, BAD_VALUE, "door"),
    ("clients", &[2, 0, 0, 0], 2, BAD_VALUE, "clients"),
    ("archive", &[], 1, NOT_FROZEN, "archive"),
    ("archives", &[1], 1, NOT_FROZEN, "archives"),
];

/// Sends sockets whose last close takes ten minutes.
fn send(
    door: &Door,
    data: &[u8],
    count: usize,
    others: &mut Vec<OwnedFd>,
) -> Result<Reply, CallError> {
    let slow = (0..count).map(|_| {
        let Slow { socket, other } = Slow::new();
        others.push(other);
        DoorDesc::Released(socket)
    });
    let slow = slow.collect();
    door.call_until(data, slow, soon())
}

#[test]
fn a_server_answers_before_it_closes_what_a_refused_value_had_taken() {
    let _watchdog =
        Watchdog::new("a_server_answers_before_it_closes_what_a_refused_value_had_taken");
    let server = Server::start(PEER, "custody");
    let custody = CustodyClient::open(server.at("custody")).unwrap();
    // Their ends, which go first when this test does.
    let mut others = Vec::new();
    let mut late = Vec::new();
    for (method, arguments, count, reason, name) in REFUSED {
        let data = call(method, arguments);
        match send(custody.door(), &data, count, &mut others) {
            Ok(reply) => assert_eq!(reply.data, refused(reason, name), "{method} {arguments:?}"),
            Err(error) => late.push(format!("{method} {arguments:?}: {error}")),
        }
    }
    assert_eq!(late, [""; 0]);
    drop((others, custody, server));
}

#[test]
fn a_server_answers_before_it_closes_what_came_with_a_value_that_panics() {
    let _watchdog =
        Watchdog::new("a_server_answers_before_it_closes_what_came_with_a_value_that_panics");
    let server = Server::start(PEER, "custody-panics");
    let custody = CustodyClient::open(server.at("custody")).unwrap();
    let mut others = Vec::new();
    let mut late = Vec::new();
    // One more than it takes: it may not stay either.
    for (what, count) in [("beside", 1), ("beside", 2), ("inside", 1), ("inside", 2)] {
        let data = call(what, &[PANICS]);
        let error = send(custody.door(), &data, count, &mut others).unwrap_err();
        if error.condition != CallCondition::Panicked {
            late.push(format!("{what}, {count}: {error}"));
        }
    }
    assert_eq!(late, [""; 0]);
    drop((others, custody, server));
}

#[test]
fn a_client_goes_on_before_it_closes_what_refused_results_had_taken() {
    fn bad<T: Debug, E: Debug>(outcome: Result<T, ProcedureError<E>>) -> Malformed {
        match outcome {
            Err(ProcedureError::BadResults { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }
    let _watchdog =
        Watchdog::new("a_client_goes_on_before_it_closes_what_refused_results_had_taken");
    let directory = Directory::new("custody-liar");
    let path = directory.join("door");
    let mut liar = Peer::start(PEER, "typed-liar", &[path.to_str().unwrap()]);
    liar.expect("ready");
    let client = CustodyClient::open(&path).unwrap();
    let mut answered = |bytes: &str| liar.ask(&format!("slow {bytes}"), "set");
    let began = Instant::now();
    answered("000181");
    assert_eq!(bad(client.give()), Malformed::LeftOver);
    answered("02000000000181");
    assert_eq!(bad(client.give_labelled()), Malformed::BadValue);
    answered("010181");
    assert_eq!(bad(client.give_labelled()), Malformed::Short);
    answered("0181");
    assert_eq!(bad(client.give_door()), Malformed::BadValue);
    assert_eq!(bad(client.give_archive()), Malformed::NotFrozen);
    answered("01000000000281");
    match client.give_archive() {
        Err(ProcedureError::Returned(Labelled { file, .. })) => {
            drop(std::thread::spawn(move || drop(file)));
        }
        other => panic!("{other:?}"),
    }
    answered("0100000000000281");
    assert_eq!(bad(client.give_archive()), Malformed::LeftOver);
    assert!(began.elapsed() < Duration::from_mins(1));
    liar.kill();
}

#[test]
fn what_is_right_arrives_and_nothing_stays() {
    let _watchdog = Watchdog::new("what_is_right_arrives_and_nothing_stays");
    let server = Server::start(PEER, "custody-right");
    let pid = server.peer.pid();
    let custody = CustodyClient::open(server.at("custody")).unwrap();
    let null = || std::fs::File::open("/dev/null").unwrap();
    let round = || {
        let labelled = |size| Labelled {
            file: Fd(null().into()),
            sure: true,
            size,
        };
        custody.file(null(), true).unwrap();
        custody.two(&null(), Some(null()), null()).unwrap();
        custody.two(&null(), None, null()).unwrap();
        custody.many(vec![null(), null()]).unwrap();
        custody.labelled(labelled(Size::Large)).unwrap();
        custody.then(labelled(Size::Small), false).unwrap();
        // The type refuses all samples, and takes what it asks for.
        let program = std::fs::File::open("/proc/self/exe").unwrap();
        let len = program.metadata().unwrap().len();
        assert_eq!(custody.regular(Regular(Fd(program))).unwrap(), len);
        assert!(custody.regular(Regular(Fd(null()))).is_err());
        let door = custody.give_door().unwrap();
        CustodyClient::from(door)
            .clients(vec![custody.clone()])
            .unwrap();
        assert!(custody.give().unwrap().metadata().is_ok());
        assert!(custody.give_labelled().unwrap().sure);
        assert!(custody.give_archive().is_err());
        // Bytes of a refusal, with descriptors that are not slow.
        let lies = call("then", &[1, 0, 0, 0, 0, 2]);
        let reply = custody.door().call(&lies, vec![null().into()]).unwrap();
        assert_eq!(reply.data, refused(BAD_VALUE, "sure"));
    };
    (0..5).for_each(|_| round());
    let before = [Census::of(pid), Census::of_self()];
    (0..50).for_each(|_| round());
    for (pid, before) in [pid, std::process::id()].into_iter().zip(before) {
        Census::settle(pid, "nothing stays of values, right or wrong", |now| {
            now.descriptors() <= before.descriptors() + 2
        });
    }
}
