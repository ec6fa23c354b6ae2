//! Procedures with archives, between two processes that trust each other and two that do not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "peer/typed/ledger.rs"]
mod ledger;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use doors::typed::{Refused, archive};
use doors::{CallState, Client, Door, ProcedureError};
use harness::typed::Server;
use harness::{Census, Directory, Peer, Watchdog, skipped};
use ledger::{
    Entry, LedgerAsyncClient, LedgerClient, NoName, Note, TillAsyncClient, TillClient, TillDoor,
    usual,
};
use tokio::runtime::Builder;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn entry() -> Entry {
    Entry {
        id: 7,
        name: "longer than what lies inside".to_owned(),
        amounts: vec![1, 2, u64::MAX],
        note: Some(Note::Text(vec![
            "a".to_owned(),
            "some more text".to_owned(),
        ])),
    }
}

#[test]
fn archives_go_there_and_values_come_back() {
    let _watchdog = Watchdog::new("archives_go_there_and_values_come_back");
    let server = Server::start(PEER, "archives");
    let ledger = LedgerClient::open(server.at("ledger")).unwrap();
    let entry = entry();
    assert_eq!(ledger.sum(&entry, &entry.name, &[3]).unwrap(), Some(5));
    assert_eq!(ledger.sum(&entry, "another", &[]).unwrap(), None);
    assert_eq!(ledger.keep(entry.clone()).unwrap(), entry);
    let nameless = Entry {
        name: String::new(),
        note: Some(Note::Paid),
        ..entry.clone()
    };
    let Err(ProcedureError::Returned(error)) = ledger.keep(nameless) else {
        panic!("it was kept");
    };
    assert_eq!(error, NoName { id: 7 });
    // In parts, and by a first call.
    for many in [2_000, 200_000] {
        let large = Entry {
            amounts: vec![3; many],
            ..entry.clone()
        };
        let kept = ledger.keep(large.clone()).unwrap();
        let fresh: LedgerClient = Client::open(server.at("ledger")).unwrap();
        assert!(kept == large && fresh.keep(large.clone()).unwrap() == large);
    }
}

#[test]
fn archives_go_with_calls_that_are_awaited() {
    let _watchdog = Watchdog::new("archives_go_with_calls_that_are_awaited");
    let server = Server::start(PEER, "awaited");
    let runtime = Builder::new_current_thread().build().unwrap();
    let entry = entry();
    let large = Entry {
        amounts: vec![3; 200_000],
        ..entry.clone()
    };
    let nameless = Entry {
        name: String::new(),
        ..entry.clone()
    };
    runtime.block_on(async {
        let ledger = LedgerAsyncClient::open(server.at("ledger")).await.unwrap();
        assert_eq!(
            ledger.sum(&entry, &entry.name, &[3]).await.unwrap(),
            Some(5)
        );
        assert_eq!(ledger.sum(&entry, "another", &[]).await.unwrap(), None);
        // Archives lie right at any length of what goes with them.
        for text in ["", "a", "some more", "and some more than that"] {
            let sums = [ledger.sum(&entry, text, text.as_bytes()).await.unwrap()];
            assert_eq!(sums, [None]);
        }
        for entry in [&entry, &large] {
            assert_eq!(ledger.keep(entry.clone()).await.unwrap(), *entry);
        }
        let Err(ProcedureError::Returned(error)) = ledger.keep(nameless).await else {
            panic!("it was kept");
        };
        assert_eq!(error, NoName { id: 7 });
        // Many at once, of which some are given up.
        let calls: Vec<_> = (0..100)
            .map(|number| {
                let (ledger, entry) = (ledger.clone(), entry.clone());
                let call = tokio::spawn(async move { ledger.keep(entry).await });
                if number % 3 == 0 {
                    call.abort();
                }
                call
            })
            .collect();
        for call in calls {
            if let Ok(kept) = call.await {
                assert_eq!(kept.unwrap(), entry);
            }
        }
        let till = TillAsyncClient::open(server.at("till")).await.unwrap();
        let soon = till.until(Instant::now() + Duration::from_mins(1));
        let me = i32::try_from(std::process::id()).unwrap();
        let who = soon.who(&entry, &entry.name).await.unwrap();
        assert_eq!(who, (me, 7, false));
        assert_eq!(till.later(entry.clone()).await.unwrap(), entry);
    });
}

#[test]
fn methods_with_archives_have_their_call_and_answer_early_or_late() {
    let _watchdog = Watchdog::new("methods_with_archives_have_their_call_and_answer_early_or_late");
    let server = Server::start(PEER, "till");
    let till = TillClient::open(server.at("till")).unwrap();
    let entry = entry();
    let me = i32::try_from(std::process::id()).unwrap();
    // With a deadline there is more behind the archives, twice in turn.
    for _ in 0..2 {
        assert_eq!(till.who(&entry, &entry.name).unwrap(), (me, 7, true));
        let soon = till.until(Instant::now() + Duration::from_mins(1));
        assert_eq!(soon.who(&entry, &entry.name).unwrap(), (me, 7, false));
        assert_eq!(soon.later(entry.clone()).unwrap(), entry);
    }
    for _ in 0..20 {
        assert_eq!(till.now(&entry).unwrap(), 7);
        assert_eq!(till.later(entry.clone()).unwrap(), entry);
    }
    let nameless = Entry {
        name: String::new(),
        amounts: vec![3; 200_000],
        ..entry.clone()
    };
    let Err(ProcedureError::Returned(error)) = till.later(nameless.clone()) else {
        panic!("it has a name");
    };
    assert_eq!(error, NoName { id: 7 });
    let large = Entry {
        name: entry.name,
        ..nameless
    };
    assert!(till.later(large.clone()).unwrap() == large);
}

#[test]
fn a_caller_that_is_refused_has_its_archives_looked_at_by_nobody() {
    let _watchdog = Watchdog::new("a_caller_that_is_refused_has_its_archives_looked_at_by_nobody");
    let server = Server::start(PEER, "till");
    let till = TillClient::open(server.at("till")).unwrap();
    assert_eq!(till.own(&entry()).unwrap(), 1);
    let error = till.closed(&entry()).unwrap_err();
    assert_eq!(error.call_state(), CallState::NotExecuted);
    let ProcedureError::Refused { reason, .. } = error else {
        panic!("{error:?}");
    };
    assert!(matches!(reason, Refused::NotAllowed { .. }), "{reason:?}");
    // What is no archive is not found to be none, but by a method that is for this caller.
    for (name, status) in [("own", 5), ("closed", 7)] {
        let mut methods = TillDoor::INTERFACE.methods().iter();
        let method = methods.find(|method| method.name() == name).unwrap();
        let foot = [&method.number().to_le_bytes()[..], &method.tag(), &[1]].concat();
        let data = [vec![0xff; 100], foot].concat();
        let answer = till.door().call(&data, vec![]).unwrap().data;
        assert_eq!(answer.iter().rev().nth(1), Some(&status), "{answer:?}");
    }
    assert_eq!(till.ran().unwrap(), 2);
}

#[test]
fn a_method_with_archives_that_is_not_leaf_has_all_processors() {
    let _watchdog = Watchdog::new("a_method_with_archives_that_is_not_leaf_has_all_processors");
    let server = Server::start(PEER, "till");
    let till = TillClient::open(server.at("till")).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.peer.pid())).unwrap();
    let mut lines = status.lines();
    let whole = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let whole = whole.unwrap().trim().to_owned();
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return skipped("there is one processor, and nowhere to go");
    }
    let mut narrow = 0;
    while narrow < 20 {
        let before = Instant::now();
        // Longer than any thread looks for the next call.
        while before.elapsed() < Duration::from_micros(300) {
            std::hint::spin_loop();
        }
        let (leaf_thread, leaf) = till.near(&entry()).unwrap();
        let (thread, mask) = till.anywhere(entry()).unwrap();
        assert_eq!(mask, whole);
        narrow += u32::from(thread == leaf_thread && leaf != whole);
    }
}

#[test]
fn another_codec_is_refused_with_both_names() {
    let _watchdog = Watchdog::new("another_codec_is_refused_with_both_names");
    let server = Server::start(PEER, "codecs");
    let refusal = |error: ProcedureError| {
        assert_eq!(error.call_state(), CallState::NotExecuted);
        match error {
            ProcedureError::Refused { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    };
    let client = usual::LedgerClient::open(server.at("ledger")).unwrap();
    let refused = refusal(client.sum("a").unwrap_err());
    assert_eq!(
        refused,
        Refused::OtherCodec {
            theirs: archive::CODEC.to_owned(),
            ours: doors::typed::CODEC,
        }
    );
    let client = LedgerClient::open(server.at("usual")).unwrap();
    let refused = refusal(client.sum(&entry(), "a", &[]).unwrap_err());
    let said = refused.to_string();
    assert!(said.contains("rkyv") && said.contains("fixed"), "{said}");
}

#[test]
fn a_method_that_reads_archives_where_they_are_allocates_nothing() {
    let _watchdog = Watchdog::new("a_method_that_reads_archives_where_they_are_allocates_nothing");
    let mut server = Server::start(PEER, "allocations");
    let ledger = LedgerClient::open(server.at("ledger")).unwrap();
    let entry = entry();
    let calls = |calls: u32| {
        for _ in 0..calls {
            let sum = ledger.sum(&entry, &entry.name, &[1; 100]).unwrap();
            assert_eq!(sum, Some(102));
        }
    };
    calls(100);
    let before = server.allocations();
    calls(2000);
    // The pool may start a thread meanwhile, and the question itself allocates.
    let made = server.allocations() - before;
    assert!(made < 200, "{made} allocations for 2,000 calls");
}

/// The bytes of a call of `keep` and those of its answer, as they pass by.
fn passing(door: &Door) -> (Vec<u8>, Vec<u8>) {
    let seen = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let (see, door) = (Arc::clone(&seen), door.clone());
    let relay = Door::in_process(move |call| {
        let answer = door.call(call.data(), vec![]).unwrap().data;
        *see.lock().unwrap() = (call.data().to_vec(), answer.clone());
        call.door_return(&answer, vec![])
    });
    LedgerClient::from(relay.unwrap()).keep(entry()).unwrap();
    seen.lock().unwrap().clone()
}

/// A fixed sequence (xorshift), so that what fails once fails again.
fn random() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 8)
            .unwrap()
            .checked_rem(below)
            .unwrap()
    }
}

/// Changes some of the first `many` bytes; small numbers are lengths and distances.
fn mutated(bytes: &[u8], many: usize, random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random(4) {
        let small = [0, 1, 2, 16, 0x7f, 0x80, 0xf0, 0xff];
        if let (Some(byte), Some(new)) = (bytes.get_mut(random(many)), small.get(random(8))) {
            *byte = *new;
        }
    }
    if random(4) == 0 {
        // Something is missing, or more is there.
        let from = random(many);
        let to = from.saturating_add(1).saturating_add(random(32));
        bytes.drain(from..to.min(many));
    } else if random(8) == 0 {
        bytes.splice(0..0, vec![7; random(32)]);
    }
    bytes
}

#[test]
fn nonsense_leaves_the_server_as_it_was() {
    let _watchdog = Watchdog::new("nonsense_leaves_the_server_as_it_was");
    let server = Server::start(PEER, "nonsense");
    let pid = server.peer.pid();
    let ledger = LedgerClient::open(server.at("ledger")).unwrap();
    let (call, answer) = passing(ledger.door());
    assert!(matches!(answer[..], [.., 1, 0x81]));
    let mut random = random();
    let mut refused = 0;
    let mut round = |calls: u32| {
        for _ in 0..calls {
            // All but what says which method it is.
            let data = mutated(&call, call.len() - 8, &mut random);
            let reply = ledger.door().call(&data, vec![]).unwrap().data;
            // It returned, with an error, or the argument was none.
            assert!(
                matches!(reply[..], [.., 1 | 2 | 5, 0x81]),
                "{data:?}: {reply:?}"
            );
            refused += u32::from(matches!(reply[..], [.., 5, _]));
        }
    };
    round(200);
    let before = Census::of(pid);
    round(5000);
    assert!(refused > 2000, "{refused} refused");
    let what = format!("the server after nonsense; before it {before:?}");
    Census::settle(pid, &what, |now| {
        now.descriptors() <= before.descriptors()
            && now.mappings <= before.mappings
            && now.threads <= before.threads + 1
    });
    assert_eq!(ledger.keep(entry()).unwrap(), entry());
}

#[test]
fn whatever_a_server_answers_is_a_value_or_an_error() {
    let _watchdog = Watchdog::new("whatever_a_server_answers_is_a_value_or_an_error");
    let server = Server::start(PEER, "answers");
    let ledger = LedgerClient::open(server.at("ledger")).unwrap();
    let (_, answer) = passing(ledger.door());

    let directory = Directory::new("answers-liar");
    let path = directory.join("door");
    let mut liar = Peer::start(PEER, "typed-liar", &[path.to_str().unwrap()]);
    liar.expect("ready");
    let mut say = |bytes: &[u8]| {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        liar.say(&digits.concat());
        liar.expect("set");
    };
    let lied_to = LedgerClient::open(&path).unwrap();
    say(&answer);
    assert_eq!(lied_to.keep(entry()).unwrap(), entry());
    let mut random = random();
    let mut refused = 0;
    for _ in 0..1000 {
        let bytes = mutated(&answer, answer.len() - 2, &mut random);
        say(&bytes);
        match lied_to.keep(entry()) {
            Ok(_) => {}
            Err(ProcedureError::BadResults { .. }) => refused += 1,
            Err(other) => panic!("{bytes:?}: {other:?}"),
        }
    }
    assert!(refused > 400, "{refused} refused");
}
