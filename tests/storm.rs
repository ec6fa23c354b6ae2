//! Many calls while clients come and are killed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::time::{SystemTime, UNIX_EPOCH};

use harness::{Books, Census, Directory, Peer, Watchdog, life};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
/// Clients that are killed.
const VICTIMS: usize = 100;
/// Of them alive at a time.
const AT_ONCE: usize = 6;

/// Marsaglia's xorshift: reproducible from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.checked_rem(bound).unwrap()
    }
}

/// The seed of this run: `DOORS_SEED`, or the clock's.
fn seed() -> u64 {
    let given = std::env::var("DOORS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos()) | 1
    })
}

/// Whether it has not ended by itself.
fn runs(peer: &Peer) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", peer.pid())).unwrap();
    !status.contains("State:\tZ")
}

#[test]
fn a_hundred_thousand_calls_survive_a_hundred_killed_clients() {
    let _watchdog = Watchdog::new("a_hundred_thousand_calls_survive_a_hundred_killed_clients");
    let seed = seed();
    println!("DOORS_SEED={seed}");
    let mut random = Random(seed);
    let directory = Directory::new("storm");
    let path = directory.join(life::CONTROL);
    let mut server = life::server(PEER, &directory, "multi");
    let path = path.to_str().unwrap();
    let empty = Census::of(server.pid());
    // One victim in peace makes what the server keeps.
    let mut first = Peer::start(PEER, "life-victim", &[path]);
    first.expect("begun");
    server.ask("wait notices 1", "notices 1");
    first.kill();
    let before = Census::settle(server.pid(), "no client", |now| now.mappings == 0);

    let mut caller = Peer::start(
        PEER,
        "life-storm",
        &[path, "8", "100000", &seed.to_string()],
    );
    caller.expect("begun");
    // Its windows grow, and nothing else does: eight threads need at most 16 channels, which are two more pairs, and each
    // channel gets a larger area.
    let books = Books::of(&caller).and_mappings(2 * (2 + 16));
    let mut victims = Vec::new();
    for number in 0..VICTIMS {
        let mut victim = Peer::start(PEER, "life-victim", &[path]);
        victim.expect("begun");
        victims.push(victim);
        if victims.len() >= AT_ONCE {
            let place =
                usize::try_from(random.below(u64::try_from(victims.len()).unwrap())).unwrap();
            let mut victim = victims.swap_remove(place);
            // Where they are killed is chance: some time of their own, a different one each.
            std::thread::sleep(std::time::Duration::from_micros(random.below(20_000)));
            assert!(
                runs(&victim),
                "victim {number} ended by itself: a wrong reply or an error"
            );
            victim.kill();
        }
    }
    // It has called all the time, however long the killing took.
    let right = caller.query("enough");
    let right: u64 = right.strip_prefix("right ").unwrap().parse().unwrap();
    assert!(right >= 100_000, "{right} calls");
    books.balance();
    for victim in &mut victims {
        assert!(
            runs(victim),
            "a victim ended by itself: a wrong reply or an error"
        );
        victim.kill();
    }
    caller.finish();
    let left = Census::settle(server.pid(), "after the storm", |now| {
        now.mappings == 0 && now.descriptors == empty.descriptors
    });
    while server.query("info") != "references 0 active 0" {
        std::thread::yield_now();
    }
    server.ask("barrier", "barrier");
    // Idle threads above the floor end after a while; there is no more than one for each call that ran at once.
    assert!(left.threads <= before.threads + 8 + AT_ONCE, "{left:?}");
}
