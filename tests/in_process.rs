//! Doors without a transport, for unit tests of services: they behave like real ones.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

use std::os::fd::OwnedFd;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use doors::{
    CallCondition, Caller, Door, DoorAttributes, DoorCondition, DoorDesc, Held, Invocation,
    ReturnError, Returned,
};
use harness::Watchdog;

fn condition(door: &Door, data: &[u8]) -> CallCondition {
    door.call(data, vec![]).unwrap_err().condition
}

fn pipe() -> (OwnedFd, OwnedFd) {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap()
}

#[test]
fn data_and_descriptors_go_both_ways_on_the_calling_thread() {
    let _watchdog = Watchdog::new("both ways");
    let here = std::thread::current().id();
    let door = Door::in_process(move |mut call| {
        assert_eq!(std::thread::current().id(), here);
        let Caller::Known(caller) = &*call.caller() else {
            panic!("we are known to ourselves");
        };
        assert_eq!(u32::try_from(caller.pid()).unwrap(), std::process::id());
        let descriptors = call.take_descriptors();
        let data = call.data().to_ascii_uppercase();
        let back = descriptors.into_iter().map(DoorDesc::from).collect();
        call.door_return(&data, back)
    })
    .unwrap();
    let (reader, writer) = pipe();
    let reply = door.call(b"hello", vec![DoorDesc::from(writer)]).unwrap();
    assert_eq!(reply.data, b"HELLO");
    nix::unistd::write(&reply.descriptors[0], b"through").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(nix::unistd::read(&reader, &mut buffer).unwrap(), 7);
    // The released end is closed with the last copy.
    drop(reply);
    assert_eq!(nix::unistd::read(&reader, &mut buffer).unwrap(), 0);
}

fn answers(mut call: Invocation<'_>) -> Returned {
    match call.data() {
        b"panic" => panic!("as told"),
        b"twice" => {
            call.door_reply(b"first", vec![]).unwrap();
            let second = call.door_reply(b"second", vec![]);
            assert_eq!(second.unwrap_err(), ReturnError::AlreadyReplied);
            call.door_return(b"third", vec![])
        }
        b"now" => call.door_reply_now(b"now", vec![]).unwrap(),
        data => call.door_return(data, vec![]),
    }
}

#[test]
fn replies_panics_and_limits_are_those_of_a_real_door() {
    let _watchdog = Watchdog::new("limits");
    let door = Door::in_process(answers).unwrap();
    assert_eq!(condition(&door, b"panic"), CallCondition::Panicked);
    assert_eq!(door.call(b"twice", vec![]).unwrap().data, b"first");
    assert_eq!(door.call(b"now", vec![]).unwrap().data, b"now");
    let mut params = door.params().unwrap();
    (params.data_min, params.data_max, params.desc_max) = (2, 4, 1);
    door.set_params(params).unwrap();
    for data in [&b"1"[..], b"12345"] {
        let len = data.len();
        let limit = if len < 2 { 2 } else { 4 };
        assert_eq!(
            condition(&door, data),
            CallCondition::DataSize { len, limit }
        );
    }
    let (reader, writer) = pipe();
    let both = vec![DoorDesc::from(reader), DoorDesc::from(writer)];
    let error = door.call(b"123", both).unwrap_err();
    let expected = CallCondition::TooManyDescriptors { count: 2, limit: 1 };
    assert_eq!(error.condition, expected);
    assert_eq!(door.call(b"123", vec![]).unwrap().data, b"123");
    let figures = door.info().unwrap().figures.unwrap();
    assert_eq!((figures.calls, figures.active), (4, 0));
    door.revoke().unwrap();
    assert_eq!(condition(&door, b"123"), CallCondition::NoDoor);
    let attributes = door.info().unwrap().attributes;
    assert!(attributes.contains(DoorAttributes::REVOKED | DoorAttributes::LOCAL));
    assert!(
        door.descriptor()
            .is_err_and(|e| *e.condition() == DoorCondition::NotADoor)
    );
}

#[test]
fn a_held_call_is_answered_from_another_thread() {
    let _watchdog = Watchdog::new("held here");
    let (give, take) = channel::<Held>();
    let give = Mutex::new(give);
    let door = Door::in_process(move |call| {
        let (held, returned) = call.hold();
        give.lock().unwrap().send(held).unwrap();
        returned
    })
    .unwrap();
    let watched = door.clone();
    let answerer = std::thread::spawn(move || {
        let held: Held = take.recv().unwrap();
        let figures = watched.info().unwrap().figures.unwrap();
        assert_eq!(figures.active, 1);
        assert!(figures.oldest_call > Duration::ZERO);
        assert_eq!(figures.ages, [figures.oldest_call]);
        let answer = held.data().repeat(2);
        held.door_return(&answer, vec![]).unwrap();
        // The next is dropped unanswered.
        drop(take.recv().unwrap());
        take
    });
    assert_eq!(door.call(b"ab", vec![]).unwrap().data, b"abab");
    assert_eq!(condition(&door, b"ab"), CallCondition::Unanswered);
    let take = answerer.join().unwrap();
    // Nobody answers: the deadline passes, and the holder can see it.
    let until = Instant::now() + Duration::from_millis(50);
    let error = door.call_until(b"ab", vec![], until).unwrap_err();
    assert_eq!(error.condition, CallCondition::TimedOut { taken: true });
    let held = take.recv().unwrap();
    assert!(held.is_cancelled());
    held.door_return(b"too late", vec![]).unwrap();
    let figures = door.info().unwrap().figures.unwrap();
    assert_eq!((figures.active, figures.oldest_call), (0, Duration::ZERO));
    assert!(figures.ages.is_empty(), "{figures:?}");
}

#[test]
fn a_procedure_hears_that_the_caller_of_a_held_call_gave_up() {
    let _watchdog = Watchdog::new("on cancel");
    let kept = Arc::new(Mutex::new(Vec::new()));
    let (tell, told) = channel();
    let keep = Arc::clone(&kept);
    let tell = Mutex::new(tell);
    let door = Door::in_process(move |mut call| {
        let tell = tell.lock().unwrap().clone();
        call.on_cancel(move || tell.send(()).unwrap());
        let (held, returned) = call.hold();
        keep.lock().unwrap().push(held);
        returned
    })
    .unwrap();
    let until = Instant::now() + Duration::from_millis(20);
    assert!(door.call_until(b"", vec![], until).is_err());
    told.recv().unwrap();
}
