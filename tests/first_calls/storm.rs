//! First calls of all kinds at once, from callers that give up or are killed.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

use std::time::Duration;

use doors::{CallCondition, CallState, Door};
use harness::files::numbered;
use harness::{Books, Peer, Watchdog};

use crate::{PEER, Scene, Way, leads, soon};

/// What is called, and what the reply begins with.
const CALLS: [(&str, &str); 9] = [
    ("echo and back", "echo and back"),
    ("bytes 100000", ""),
    ("files 3", "files"),
    ("reply 0 20000", "rrr"),
    ("reply-now 0 20000", "nnn"),
    ("watch 0", "watched"),
    ("too-many", "1025"),
    ("nest 1 HERE HERE", "2"),
    ("panic", ""),
];

/// Numbers that look as if by chance, the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end).unwrap()
    }
}

/// Calls so often; how many of the calls gave a reply.
fn call_and_call(path: &std::path::Path, times: usize, seed: u64) -> usize {
    let mut chance = Chance(seed);
    let mut replies = 0;
    for _ in 0..times {
        let (asked, answer) = CALLS[chance.below(9)];
        let here = path.to_str().unwrap();
        let data = asked.replace("HERE", here);
        let given = match chance.below(3) {
            0 => vec![numbered(1).into()],
            _ => vec![],
        };
        let door = Door::open(path).unwrap();
        // Some have the time, some nearly, and some not.
        let micros = [30_000_000, 30_000_000, 400, 3000][chance.below(4)];
        let until = soon(0) + Duration::from_micros(micros);
        match door.call_until(data.as_bytes(), given, until) {
            Ok(reply) => {
                assert!(reply.data.starts_with(answer.as_bytes()), "{asked}");
                replies += 1;
            }
            Err(error) => match error.condition {
                CallCondition::TimedOut { .. } => assert!(micros < 30_000_000, "{asked}"),
                CallCondition::Panicked => assert_eq!(asked, "panic"),
                // The queue of names that wait to be taken is short.
                CallCondition::NoRoom => {
                    assert_eq!(error.call_state(), CallState::NotExecuted);
                }
                other => panic!("{asked}: {other:?}"),
            },
        }
    }
    replies
}

#[test]
fn first_calls_of_all_kinds_leave_nothing() {
    let _watchdog = Watchdog::new("first_calls_of_all_kinds");
    let mut scene = Scene::new(&[]);
    scene.serves();
    let door = scene.door(Way::Opened);
    let itself = vec![door.to_desc().unwrap()];
    assert_eq!(door.call(b"call-it", itself).unwrap().data, b"1");
    drop(door);
    let books = Books::of(&scene.server).and_threads(40);
    let path = scene.path();
    let mut led = false;
    std::thread::scope(|scope| {
        let callers: Vec<_> = (1..=6_u64)
            .map(|seed| {
                let path = &path;
                scope.spawn(move || call_and_call(path, 400, seed * 0x9e37_79b9_7f4a))
            })
            .collect();
        // Meanwhile others are killed, in their first call or on their way to it.
        for round in 0..40_u64 {
            let mut client = Peer::start(PEER, "calls-client", &[path.to_str().unwrap()]);
            client.expect("ready");
            client.say(["watch 0", "reply 0 100000", "files 9"][Chance(round + 1).below(3)]);
            // Where on its way it is killed is chance, and differs from round to round.
            std::thread::sleep(Duration::from_micros(round * 37 % 700));
            client.kill();
            led |= leads(&scene.ask("where"));
        }
        for caller in callers {
            assert!(caller.join().unwrap() > 50);
        }
    });
    scene.until_active(0);
    while !led {
        scene.door(Way::Opened).call(b"where", vec![]).unwrap();
        led = scene.was_led();
    }
    scene.serves();
    books.balance();
}
