//! Procedures with values, between two processes that trust each other and two that do not.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

#[path = "peer/typed/procedures.rs"]
mod procedures;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use doors::typed::{Malformed, Refused};
use doors::{CallCondition, CallState, Door, DoorCondition, ProcedureError};
use harness::{Census, Directory, Peer, Watchdog};
use procedures::{
    AddClient, CountClient, ExecutedClient, GreetClient, GreetError, HalveClient, MirrorClient,
    Nest, NestClient, ObeyClient, Record, Shape, SleepClient, SumClient, add, nest,
};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A server of all procedures.
struct Server {
    peer: Peer,
    directory: Directory,
}

impl Server {
    fn start(name: &str) -> Self {
        let directory = Directory::new(name);
        let mut peer = Peer::start(PEER, "typed-server", &[directory.path().to_str().unwrap()]);
        peer.expect("ready");
        Self { peer, directory }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn allocations(&mut self) -> u64 {
        self.peer.say("allocations");
        self.peer.hear().parse().unwrap()
    }
}

/// The bytes before the arguments of a call.
fn head(hash: u64) -> Vec<u8> {
    let mut head = vec![1];
    head.extend_from_slice(&hash.to_le_bytes());
    head
}

#[test]
fn values_go_there_and_come_back() {
    let _watchdog = Watchdog::new("values_go_there_and_come_back");
    let server = Server::start("values");
    let add = AddClient::open(server.at("add")).unwrap();
    assert_eq!(add.call(2, 3).unwrap(), 5);
    assert_eq!(add.call(u32::MAX, 1).unwrap(), 0);

    let record = Record {
        id: u64::MAX,
        names: BTreeMap::from([("ü".to_owned(), Some(-1)), (String::new(), None)]),
        shape: Shape::Box {
            width: 1.5,
            height: f32::INFINITY,
        },
    };
    let halve = HalveClient::open(server.at("halve")).unwrap();
    let halved = halve.call(&record, Some(63)).unwrap();
    assert_eq!(halved, Record { id: 1, ..record });
    for shape in [Shape::Point, Shape::Circle(0.1)] {
        let record = Record {
            shape,
            ..halved.clone()
        };
        assert_eq!(
            halve.call(&record, None).unwrap(),
            Record { id: 0, ..record }
        );
    }

    let sum = SumClient::open(server.at("sum")).unwrap();
    assert_eq!(
        sum.call(&[i64::MIN, 1, -1], vec!["a", "b", ""]).unwrap(),
        (i64::MIN, 2)
    );
    let count = CountClient::open(server.at("count")).unwrap();
    assert_eq!(
        count.call("abracadabra", b"xyz", 'a').unwrap(),
        (5, Some(b'z'))
    );
    assert_eq!(count.call("", b"", 'a').unwrap(), (0, None));
}

#[test]
fn bytes_come_back_at_every_size() {
    let _watchdog = Watchdog::new("bytes_come_back_at_every_size");
    let server = Server::start("sizes");
    let mirror = MirrorClient::open(server.at("mirror")).unwrap();
    for size in [0, 1, 127, 128, 16_375, 16_384, 200_000, 8 << 20] {
        let mut bytes: Vec<u8> = (0..size).map(|at: usize| at.to_le_bytes()[0]).collect();
        let back = mirror.call(bytes.clone()).unwrap();
        bytes.reverse();
        assert!(back == bytes, "{size} bytes");
    }
}

#[test]
fn the_functions_own_error_comes_beside_the_transports() {
    let _watchdog = Watchdog::new("the_functions_own_error_comes_beside_the_transports");
    let server = Server::start("errors");
    let greet = GreetClient::open(server.at("greet")).unwrap();
    assert_eq!(greet.call("Ada").unwrap(), "Hello, Ada");
    let error = greet.call("").unwrap_err();
    assert!(matches!(
        error,
        ProcedureError::Returned(GreetError::NoName)
    ));
    assert_eq!(error.call_state(), CallState::Executed);
    assert_eq!(error.to_string(), "nobody to greet");
    let long = "x".repeat(1000);
    let Err(ProcedureError::Returned(GreetError::TooLong { limit: 20, name })) = greet.call(&long)
    else {
        panic!("no such error");
    };
    assert_eq!(name, long);
}

#[test]
fn a_panic_a_deadline_and_a_death_are_told_apart() {
    let _watchdog = Watchdog::new("a_panic_a_deadline_and_a_death_are_told_apart");
    let mut server = Server::start("ends");
    let obey = ObeyClient::open(server.at("obey")).unwrap();
    let Err(ProcedureError::Returned(message)) = obey.call("dance") else {
        panic!("it danced");
    };
    assert_eq!(message, "unknown word dance");
    let Err(ProcedureError::Call(error)) = obey.call("panic") else {
        panic!("no panic");
    };
    assert_eq!(error.condition, CallCondition::Panicked);

    let sleep = SleepClient::open(server.at("sleep")).unwrap();
    sleep.call(0).unwrap();
    // Long enough for the server to have taken the call, however busy the machine is.
    let soon = Instant::now() + Duration::from_secs(1);
    let error = sleep.call_until(soon, 600_000).unwrap_err();
    assert_eq!(error.call_state(), CallState::MayHaveExecuted);
    let ProcedureError::Call(error) = error else {
        panic!("{error}");
    };
    assert_eq!(error.condition, CallCondition::TimedOut { taken: true });

    let error = obey.call("exit").unwrap_err();
    assert_eq!(error.call_state(), CallState::MayHaveExecuted);
    server.peer.finish();
    let error = sleep.call(0).unwrap_err();
    assert!(matches!(error, ProcedureError::Call(_)), "{error}");
    assert_eq!(error.call_state(), CallState::NotExecuted);
}

/// The same door as an earlier version of the client's program knew it.
mod earlier {
    #[doors::door]
    pub(crate) fn add(a: u16, b: u16) -> u16 {
        a.wrapping_add(b)
    }
}

#[test]
fn a_client_of_another_signature_is_told_both() {
    let _watchdog = Watchdog::new("a_client_of_another_signature_is_told_both");
    let server = Server::start("versions");
    let executed = ExecutedClient::open(server.at("executed")).unwrap();
    let client = earlier::AddClient::open(server.at("add")).unwrap();
    let error = client.call(1, 2).unwrap_err();
    assert_eq!(error.call_state(), CallState::NotExecuted);
    assert_eq!(executed.call().unwrap(), 0);
    let ProcedureError::Refused { reason, .. } = error else {
        panic!("{error}");
    };
    let message = reason.to_string();
    assert!(
        message.contains("fn add(a: u32, b: u32) -> u32"),
        "{message}"
    );
    assert!(
        message.contains("fn add(a: u16, b: u16) -> u16"),
        "{message}"
    );

    // The wrong door of the right server.
    let client = AddClient::open(server.at("greet")).unwrap();
    let Err(ProcedureError::Refused { reason, .. }) = client.call(1, 2) else {
        panic!("not refused");
    };
    assert!(
        reason.to_string().contains("fn greet(name: &str)"),
        "{reason}"
    );
}

#[test]
fn arguments_that_are_none_are_refused_and_nothing_runs() {
    let _watchdog = Watchdog::new("arguments_that_are_none_are_refused_and_nothing_runs");
    let server = Server::start("arguments");
    let executed = ExecutedClient::open(server.at("executed")).unwrap();
    let door = Door::open(server.at("add")).unwrap();
    let hash = add::INTERFACE.hash();
    let good = [head(hash), vec![2, 3]].concat();
    assert_eq!(door.call(&good, vec![]).unwrap().data, [0x81, 1, 5]);
    assert_eq!(executed.call().unwrap(), 1);

    let answer = |data: &[u8]| door.call(data, vec![]).unwrap().data;
    // Nothing, something else, an answer, half a head.
    for nonsense in [&[][..], &[0; 64], b"GET / HTTP/1.1\r\n", &good[..5]] {
        let data = answer(nonsense);
        assert!(matches!(data.get(..2), Some([0x81, 3 | 5])), "{data:?}");
    }
    let mut later = good.clone();
    later[0] = 2;
    assert_eq!(answer(&later), [0x81, 3]);
    // An argument too few, one too many, a number without an end.
    assert_eq!(answer(&good[..10]), b"\x81\x05\x01b");
    assert_eq!(answer(&[good.clone(), vec![0]].concat()), b"\x81\x05\x02");
    assert_eq!(
        answer(&[head(hash), vec![0xff; 20]].concat()),
        b"\x81\x05\x03a"
    );
    assert_eq!(executed.call().unwrap(), 1);

    // A descriptor is no argument of any procedure.
    let null = std::fs::File::open("/dev/null").unwrap();
    let error = door.call(&good, vec![null.into()]).unwrap_err();
    assert_eq!(error.condition, CallCondition::RefusesDescriptors);
}

#[test]
fn random_bytes_leave_the_server_as_it_was() {
    let _watchdog = Watchdog::new("random_bytes_leave_the_server_as_it_was");
    let server = Server::start("random");
    let pid = server.peer.pid();
    let doors: Vec<(Door, u64)> = [
        ("halve", procedures::halve::INTERFACE),
        ("sum", procedures::sum::INTERFACE),
        ("count", procedures::count::INTERFACE),
        ("nest", nest::INTERFACE),
    ]
    .into_iter()
    .map(|(name, interface)| (Door::open(server.at(name)).unwrap(), interface.hash()))
    .collect();
    // A fixed sequence (xorshift), so that what fails once fails again.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut round = |calls: u32| {
        for _ in 0..calls {
            for (door, hash) in &doors {
                let mut data = head(*hash);
                let length = usize::try_from(random() % 40).unwrap();
                // Small bytes are lengths and variants, and make deeper nonsense.
                let mask = if random() & 1 == 0 { 0xff } else { 0x03 };
                data.extend((0..length).map(|_| u8::try_from(random() & mask).unwrap()));
                let reply = door.call(&data, vec![]).unwrap();
                let status = reply.data.get(..2);
                assert!(
                    matches!(status, Some([0x81, 1 | 5])),
                    "{data:?}: {status:?}"
                );
            }
        }
    };
    round(50);
    let before = Census::of(pid);
    round(2000);
    // Fewer is right too: the first census may still see what the sessions were set up with.
    let what = format!("the server after nonsense; before it {before:?}");
    Census::settle(pid, &what, |now| {
        now.descriptors() <= before.descriptors()
            && now.mappings <= before.mappings
            && now.threads <= before.threads + 1
    });
    let add = AddClient::open(server.at("add")).unwrap();
    assert_eq!(add.call(1, 1).unwrap(), 2);
}

#[test]
fn a_value_nested_without_end_does_not_end_the_server() {
    let _watchdog = Watchdog::new("a_value_nested_without_end_does_not_end_the_server");
    let server = Server::start("nested");
    let client = NestClient::open(server.at("nest")).unwrap();
    let nested = |levels| {
        let mut value = Nest(None);
        for _ in 0..levels {
            value = Nest(Some(Box::new(value)));
        }
        value
    };
    assert_eq!(client.call(&nested(60)).unwrap(), 60);
    let Err(ProcedureError::Refused { reason, .. }) = client.call(&nested(64)) else {
        panic!("not refused");
    };
    let too_deep = Refused::BadArgument {
        name: "value".to_owned(),
        reason: Malformed::TooDeep,
    };
    assert_eq!(reason, too_deep);
    // Four million levels, one byte each: more than any stack.
    let data = [head(nest::INTERFACE.hash()), vec![1; 4 << 20]].concat();
    let reply = client.door().call(&data, vec![]).unwrap();
    assert_eq!(reply.data, b"\x81\x05\x04value");
    assert_eq!(client.call(&nested(1)).unwrap(), 1);
}

#[test]
fn whatever_a_server_answers_is_an_error_or_a_value() {
    let _watchdog = Watchdog::new("whatever_a_server_answers_is_an_error_or_a_value");
    let directory = Directory::new("liar");
    let path = directory.join("door");
    let mut liar = Peer::start(PEER, "typed-liar", &[path.to_str().unwrap()]);
    liar.expect("ready");
    let mut answer = |bytes: &[u8]| {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        liar.say(&digits.concat());
        liar.expect("set");
    };
    let greet = GreetClient::open(&path).unwrap();

    answer(b"\x81\x01\x02ok");
    assert_eq!(greet.call("x").unwrap(), "ok");
    answer(b"\x81\x02\x00");
    assert!(matches!(
        greet.call("x"),
        Err(ProcedureError::Returned(GreetError::NoName))
    ));
    let before = Census::of_self();

    for (bytes, expected) in [
        (&b""[..], Malformed::NotTyped),
        (b"\x81", Malformed::NotTyped),
        (b"\x01\x01\x02ok", Malformed::NotTyped),
        (b"\x80\x01\x02ok", Malformed::NotTyped),
        (b"\x82\x01\x02ok", Malformed::NotTyped),
        (b"\x81\x00\x02ok", Malformed::NotTyped),
        (b"\x81\x63", Malformed::NotTyped),
        (b"\x81\x01\x02ok?", Malformed::LeftOver),
        (b"\x81\x01\x03ok", Malformed::Short),
        (b"\x81\x01\x02\xff\xfe", Malformed::BadValue),
        (
            b"\x81\x01\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            Malformed::Short,
        ),
        (b"\x81\x02\x07", Malformed::BadValue),
        (b"\x81\x02\x01\x14", Malformed::Short),
        (b"\x81\x04\x00", Malformed::Short),
        (b"\x81\x05", Malformed::Short),
    ] {
        answer(bytes);
        let Err(ProcedureError::BadResults { reason, .. }) = greet.call("x") else {
            panic!("{bytes:?} was taken for results");
        };
        assert_eq!(reason, expected, "{bytes:?}");
    }

    answer(b"\x81\x06");
    assert!(matches!(
        greet.call("x"),
        Err(ProcedureError::ValueLost { .. })
    ));
    answer(b"\x82\x03");
    let Err(ProcedureError::Refused { reason, .. }) = greet.call("x") else {
        panic!("not refused");
    };
    assert_eq!(reason, Refused::OtherVersion { theirs: 2, ours: 1 });

    // A procedure without an error of its own has none to take either.
    answer(b"\x81\x02\x00");
    let add = AddClient::from(greet.door().clone());
    assert!(matches!(
        add.call(1, 1),
        Err(ProcedureError::BadResults { .. })
    ));

    // Each answer came with a descriptor.
    Census::settle(std::process::id(), "after unasked descriptors", |now| {
        now.descriptors() <= before.descriptors()
    });
}

#[test]
fn a_procedure_that_borrows_its_arguments_allocates_nothing() {
    let _watchdog = Watchdog::new("a_procedure_that_borrows_its_arguments_allocates_nothing");
    let mut server = Server::start("allocations");
    let count = CountClient::open(server.at("count")).unwrap();
    let calls = |calls: u32| {
        for _ in 0..calls {
            let counted = count.call("abracadabra", &[7; 500], 'b').unwrap();
            assert_eq!(counted, (2, Some(7)));
        }
    };
    calls(100);
    let before = server.allocations();
    calls(2000);
    // The pool may start a thread meanwhile, and the question itself allocates.
    let made = server.allocations() - before;
    assert!(made < 200, "{made} allocations for 2,000 calls");
}

#[test]
fn a_door_that_is_not_there_is_an_error_to_open() {
    let _watchdog = Watchdog::new("a_door_that_is_not_there_is_an_error_to_open");
    let directory = Directory::new("absent");
    let error = AddClient::open(directory.join("add")).unwrap_err();
    assert!(
        matches!(error.condition(), DoorCondition::Name(_)),
        "{error}"
    );
}
