//! Procedures with values, between two processes that trust each other and two that do not.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

#[path = "peer/typed/procedures.rs"]
mod procedures;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use doors::typed::Unwritable;
use doors::{CallCondition, CallState, DoorCondition, ProcedureError};
use harness::typed::Server;
use harness::{Directory, Watchdog};
use procedures::{
    AddClient, CountClient, ExecutedClient, GreetClient, GreetError, HalveClient, MirrorClient,
    ObeyClient, Record, Shape, SleepClient, SpliceClient, SumClient,
};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn values_go_there_and_come_back() {
    let _watchdog = Watchdog::new("values_go_there_and_come_back");
    let server = Server::start(PEER, "values");
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
    let server = Server::start(PEER, "sizes");
    let mirror = MirrorClient::open(server.at("mirror")).unwrap();
    for size in [0, 1, 127, 128, 16_375, 16_384, 200_000, 8 << 20] {
        let mut bytes: Vec<u8> = (0..size).map(|at: usize| at.to_le_bytes()[0]).collect();
        let back = mirror.call(bytes.clone()).unwrap();
        // A first call travels otherwise.
        let fresh = MirrorClient::open(server.at("mirror")).unwrap();
        let first = fresh.call(bytes.clone()).unwrap();
        bytes.reverse();
        assert!(back == bytes && first == bytes, "{size} bytes");
    }
}

#[test]
fn bytes_come_among_other_arguments() {
    let _watchdog = Watchdog::new("bytes_come_among_other_arguments");
    let server = Server::start(PEER, "among");
    let splice = SpliceClient::open(server.at("splice")).unwrap();
    for size in [3, 16_383, 16_384, 300_000] {
        let [a, b, c] = [1, 2, 3].map(|byte| vec![byte; size]);
        let text = "x".repeat(size / 2);
        let all = splice.call(7, &a, &text, b.clone(), c.clone());
        let expected = [&[7], &a[..], text.as_bytes(), &b, &c].concat();
        assert!(all.unwrap() == expected, "{size} bytes");
        // Only one of them is long, wherever it stands.
        let all = splice.call(7, b"a", "b", b"c".to_vec(), c.clone());
        assert!(
            all.unwrap() == [b"\x07abc", &c[..]].concat(),
            "{size} bytes"
        );
        let Err(ProcedureError::Returned(error)) = splice.call(0, &a, "", b, c) else {
            panic!("no error");
        };
        assert!(error == a, "{size} bytes");
    }
}

#[test]
fn the_functions_own_error_comes_beside_the_transports() {
    let _watchdog = Watchdog::new("the_functions_own_error_comes_beside_the_transports");
    let server = Server::start(PEER, "errors");
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
    let mut server = Server::start(PEER, "ends");
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
    let error = sleep.until(soon).call(600_000).unwrap_err();
    assert!(error.is_timed_out());
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
    let server = Server::start(PEER, "versions");
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
    assert!(reason.to_string().contains("greet 1.0"), "{reason}");
}

#[test]
fn a_procedure_that_borrows_its_arguments_allocates_nothing() {
    let _watchdog = Watchdog::new("a_procedure_that_borrows_its_arguments_allocates_nothing");
    let mut server = Server::start(PEER, "allocations");
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

#[test]
fn an_argument_that_cannot_be_put_is_named_with_the_reason() {
    let _watchdog = Watchdog::new("an_argument_that_cannot_be_put_is_named_with_the_reason");
    let server = Server::start(PEER, "unwritable");
    let length = unwritable::LengthClient::open(server.at("add")).unwrap();
    // serde refuses a path that is no UTF-8.
    let path = Path::new(OsStr::from_bytes(b"/\xff"));
    let error = length.call(path).unwrap_err();
    assert_eq!(error.call_state(), CallState::NotExecuted);
    let printed = error.to_string();
    assert!(
        printed.ends_with("the argument `path` cannot be put into bytes: the value refuses"),
        "{printed}"
    );
    let ProcedureError::BadArgument { name, reason, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!((name, reason), ("path", Unwritable::Itself));
}

mod unwritable {
    #[doors::door]
    pub(crate) fn length(path: &std::path::Path) -> usize {
        path.as_os_str().len()
    }
}
