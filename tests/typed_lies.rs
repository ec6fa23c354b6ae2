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
use procedures::{
    AddClient, ExecutedClient, GreetClient, GreetError, Nest, NestClient, Pages, PagesClient, add,
    nest, pages,
};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A call of a function with the bytes of its arguments.
fn call(function: &Interface, arguments: &[u8]) -> Vec<u8> {
    let tag = function.method(1).unwrap().tag();
    [arguments, &[1, 0], &tag, &[1]].concat()
}

#[test]
fn arguments_that_are_none_are_refused_and_nothing_runs() {
    let _watchdog = Watchdog::new("arguments_that_are_none_are_refused_and_nothing_runs");
    let server = Server::start(PEER, "arguments");
    let executed = ExecutedClient::open(server.at("executed")).unwrap();
    let door = Door::open(server.at("add")).unwrap();
    let good = call(add::INTERFACE, &[2, 0, 0, 0, 3, 0, 0, 0]);
    assert_eq!(
        door.call(&good, vec![]).unwrap().data,
        [5, 0, 0, 0, 1, 0x81]
    );
    assert_eq!(executed.call().unwrap(), 1);

    let answer = |data: &[u8]| door.call(data, vec![]).unwrap().data;
    // Nothing, something else, an answer, half a foot.
    for nonsense in [&[][..], &[0; 64], b"GET / HTTP/1.1\r\n", &good[11..]] {
        let data = answer(nonsense);
        assert!(matches!(data[..], [.., 3 | 5, 0x81]), "{data:?}");
    }
    let mut later = good.clone();
    *later.last_mut().unwrap() = 3;
    assert_eq!(answer(&later), [3, 0x81]);
    // An argument too few, one too many, none.
    assert_eq!(answer(&good[4..]), b"\x01b\x05\x81");
    assert_eq!(answer(&[vec![0], good.clone()].concat()), b"\x02\x05\x81");
    assert_eq!(answer(&good[8..]), b"\x01a\x05\x81");
    // Bytes before the arguments, which none of them takes; more than there are.
    let front = |count: u8| {
        let mut call = call(add::INTERFACE, &[9, 9, 9, 2, 0, 0, 0, 3, 0, 0, 0]);
        call.splice(11..11, [count, 0, 0, 0]);
        *call.last_mut().unwrap() = 2;
        call
    };
    assert_eq!(answer(&front(3)), b"\x02\x05\x81");
    assert_eq!(answer(&front(12)), b"\x01\x05\x81");
    // How much time is left behind the arguments, or in their place.
    let mut timed = good.clone();
    *timed.last_mut().unwrap() = 0x41;
    assert_eq!(answer(&timed), b"\x01a\x05\x81");
    assert_eq!(answer(&timed[1..]), b"\x01\x05\x81");
    timed.splice(8..8, [0xff; 8]);
    assert_eq!(answer(&timed)[4..], [1, 0x81]);
    assert_eq!(executed.call().unwrap(), 2);

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
    let doors: Vec<(Door, &Interface)> = [
        ("halve", procedures::halve::INTERFACE),
        ("sum", procedures::sum::INTERFACE),
        ("count", procedures::count::INTERFACE),
        ("nest", nest::INTERFACE),
    ]
    .into_iter()
    .map(|(name, interface)| (Door::open(server.at(name)).unwrap(), interface))
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
            for (door, interface) in &doors {
                let mut data = Vec::new();
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
                let mut data = call(interface, &data);
                // Some of them lie before the others, as many as there are or not.
                if random() % 4 == 0 {
                    let count = [u8::try_from(random() % 48).unwrap(), 0, 0, 0];
                    data.splice(length..length, count);
                    *data.last_mut().unwrap() = 2;
                }
                // Some are said to say how much time is left.
                if random() % 4 == 0 {
                    *data.last_mut().unwrap() |= 0x40;
                }
                let reply = door.call(&data, vec![]).unwrap().data;
                assert!(
                    matches!(reply[..], [.., 1 | 5, 0x81]),
                    "{data:?}: {reply:?}"
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
    let data = call(nest::INTERFACE, &vec![1; 4 << 20]);
    let reply = client.door().call(&data, vec![]).unwrap();
    assert_eq!(reply.data, b"\x04value\x05\x81");
    assert_eq!(client.call(&nested(1)).unwrap(), 1);
}

#[test]
fn large_values_nested_do_not_end_the_stack_of_either() {
    let _watchdog = Watchdog::new("large_values_nested_do_not_end_the_stack_of_either");
    let server = Server::start(PEER, "pages");
    let client = PagesClient::open(server.at("pages")).unwrap();
    let page = |next| {
        let page = [[[7; 32]; 8]; 8];
        Box::new(Pages { next, page })
    };
    let both = page(Some(page(None)));
    assert_eq!(client.call(page(Some(page(None)))).unwrap(), both);
    // A hundred levels, a byte for each.
    let data = call(pages::INTERFACE, &[1; 100]);
    let reply = client.door().call(&data, vec![]).unwrap();
    assert_eq!(reply.data, b"\x04first\x05\x81");
    assert_eq!(client.call(page(Some(page(None)))).unwrap(), both);

    let directory = Directory::new("liar-pages");
    let path = directory.join("door");
    let mut liar = Peer::start(PEER, "typed-liar", &[path.to_str().unwrap()]);
    liar.expect("ready");
    liar.say(&[&"01".repeat(100), "0181"].concat());
    liar.expect("set");
    let error = PagesClient::open(&path).unwrap().call(both).unwrap_err();
    assert!(
        matches!(error, ProcedureError::BadResults { reason, .. } if reason == Malformed::TooDeep)
    );
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

    answer(b"\x02\0\0\0ok\x01\x81");
    assert_eq!(greet.call("x").unwrap(), "ok");
    answer(b"\0\0\0\0\x02\x81");
    assert!(matches!(
        greet.call("x"),
        Err(ProcedureError::Returned(GreetError::NoName))
    ));
    let before = Census::of_self();

    for (bytes, expected) in [
        (&b""[..], Malformed::NotTyped),
        (b"\x81", Malformed::NotTyped),
        (b"\x02ok\x01\x01", Malformed::NotTyped),
        (b"\x02ok\x01\x80", Malformed::NotTyped),
        (b"\x02ok\x01\x83", Malformed::NotTyped),
        (b"\x02ok\x00\x81", Malformed::NotTyped),
        (b"\x63\x81", Malformed::NotTyped),
        (b"\x02\0\0\0ok?\x01\x81", Malformed::LeftOver),
        (b"\x03\0\0\0ok\x01\x81", Malformed::Short),
        (b"\x02\0\0\0\xff\xfe\x01\x81", Malformed::BadValue),
        (b"\xff\xff\xff\xff\x01\x81", Malformed::Short),
        (b"\x07\0\0\0\x02\x81", Malformed::BadValue),
        (b"\x01\0\0\0\x14\x02\x81", Malformed::Short),
        (b"\x00\x04\x81", Malformed::Short),
        (b"\x05\x81", Malformed::Short),
        (b"\x07\x81", Malformed::NotTyped),
        (b"\x01\0\0\0\x07\x81", Malformed::NotTyped),
        (b"\x02\0\0\0\0\x07\x81", Malformed::NotTyped),
        // With bytes before the value.
        (b"\x01\x82", Malformed::Short),
        (b"\xff\xff\xff\xff\x01\0\0\0\x01\x82", Malformed::Short),
        (b"ok\xff\xff\xff\xff\x07\0\0\0\x01\x82", Malformed::Short),
        (b"?\x02\0\0\0ok\x01\0\0\0\x01\x82", Malformed::LeftOver),
        (b"ok\xff\xff\xff\xff\x02\0\0\0\x02\x82", Malformed::NotTyped),
    ] {
        answer(bytes);
        let Err(ProcedureError::BadResults { reason, .. }) = greet.call("x") else {
            panic!("{bytes:?} was taken for results");
        };
        assert_eq!(reason, expected, "{bytes:?}");
    }

    answer(b"ok\xff\xff\xff\xff\x02\0\0\0\x01\x82");
    assert_eq!(greet.call("x").unwrap(), "ok");
    answer(b"\x06\x81");
    assert!(matches!(
        greet.call("x"),
        Err(ProcedureError::ValueLost { .. })
    ));
    for (bytes, uid) in [
        (&b"\0\x07\x81"[..], None),
        (b"\x01\x02\x01\0\0\x07\x81", Some(258)),
    ] {
        answer(bytes);
        let Err(ProcedureError::Refused { reason, .. }) = greet.call("x") else {
            panic!("not refused");
        };
        let method = "greet".to_owned();
        assert_eq!(reason, Refused::NotAllowed { method, uid });
    }
    answer(b"\x03\x83");
    let Err(ProcedureError::Refused { reason, .. }) = greet.call("x") else {
        panic!("not refused");
    };
    assert_eq!(reason, Refused::OtherLayout { theirs: 3, ours: 1 });

    // A procedure without an error of its own has none to take either.
    answer(b"\0\0\0\0\x02\x81");
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
