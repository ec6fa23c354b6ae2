//! Procedures with values, between two processes that do not trust each other.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

#[path = "peer/typed/procedures.rs"]
mod procedures;

use doors::typed::{Interface, Malformed, Refused};
use doors::{CallCondition, Door, ProcedureError};
use harness::typed::Server;
use harness::{Census, Directory, Peer, Watchdog};
use procedures::{AddClient, ExecutedClient, GreetClient, GreetError, Nest, NestClient, add, nest};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// The bytes before the arguments of a call of a function.
fn head(function: &Interface) -> Vec<u8> {
    [&[1, 1, 0][..], &function.method(1).unwrap().tag()].concat()
}

#[test]
fn arguments_that_are_none_are_refused_and_nothing_runs() {
    let _watchdog = Watchdog::new("arguments_that_are_none_are_refused_and_nothing_runs");
    let server = Server::start(PEER, "arguments");
    let executed = ExecutedClient::open(server.at("executed")).unwrap();
    let door = Door::open(server.at("add")).unwrap();
    let good = [head(add::INTERFACE), vec![2, 0, 0, 0, 3, 0, 0, 0]].concat();
    assert_eq!(
        door.call(&good, vec![]).unwrap().data,
        [0x81, 1, 5, 0, 0, 0]
    );
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
    // An argument too few, one too many, none.
    assert_eq!(answer(&good[..12]), b"\x81\x05\x01b");
    assert_eq!(answer(&[good.clone(), vec![0]].concat()), b"\x81\x05\x02");
    assert_eq!(answer(&good[..8]), b"\x81\x05\x01a");
    assert_eq!(executed.call().unwrap(), 1);

    // A descriptor is no argument of any procedure.
    let null = std::fs::File::open("/dev/null").unwrap();
    let error = door.call(&good, vec![null.into()]).unwrap_err();
    assert_eq!(error.condition, CallCondition::RefusesDescriptors);
}

#[test]
fn random_bytes_leave_the_server_as_it_was() {
    let _watchdog = Watchdog::new("random_bytes_leave_the_server_as_it_was");
    let server = Server::start(PEER, "random");
    let pid = server.peer.pid();
    let doors: Vec<(Door, Vec<u8>)> = [
        ("halve", procedures::halve::INTERFACE),
        ("sum", procedures::sum::INTERFACE),
        ("count", procedures::count::INTERFACE),
        ("nest", nest::INTERFACE),
    ]
    .into_iter()
    .map(|(name, interface)| (Door::open(server.at(name)).unwrap(), head(interface)))
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
            for (door, head) in &doors {
                let mut data = head.clone();
                let length = usize::try_from(random() % 40).unwrap();
                // Small bytes are lengths and variants, and make deeper nonsense.
                let mask = if random() & 1 == 0 { 0xff } else { 0x03 };
                // Lengths and variants have four bytes, of which three are mostly zero.
                data.extend((0..length).map(|at| {
                    let byte = u8::try_from(random() & mask).unwrap();
                    if at % 4 == 0 || random() % 8 == 0 {
                        byte
                    } else {
                        0
                    }
                }));
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
    let server = Server::start(PEER, "nested");
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
    let data = [head(nest::INTERFACE), vec![1; 4 << 20]].concat();
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

    answer(b"\x81\x01\x02\0\0\0ok");
    assert_eq!(greet.call("x").unwrap(), "ok");
    answer(b"\x81\x02\0\0\0\0");
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
        (b"\x81\x01\x02\0\0\0ok?", Malformed::LeftOver),
        (b"\x81\x01\x03\0\0\0ok", Malformed::Short),
        (b"\x81\x01\x02\0\0\0\xff\xfe", Malformed::BadValue),
        (b"\x81\x01\xff\xff\xff\xff", Malformed::Short),
        (b"\x81\x02\x07\0\0\0", Malformed::BadValue),
        (b"\x81\x02\x01\0\0\0\x14", Malformed::Short),
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
    assert_eq!(reason, Refused::OtherLayout { theirs: 2, ours: 1 });

    // A procedure without an error of its own has none to take either.
    answer(b"\x81\x02\0\0\0\0");
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
