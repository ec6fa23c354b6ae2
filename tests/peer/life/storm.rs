//! Calls without pause, checked one by one.

use std::sync::OnceLock;

use doors::Door;

/// Set when the callers may stop.
static ENOUGH: OnceLock<()> = OnceLock::new();

/// `life-storm PATH THREADS CALLS SEED`: that many calls in all, and more until a line comes; says how many replies were
/// right.
pub(super) fn run(arguments: &[&str]) {
    let [path, threads, calls, seed] = arguments else {
        panic!("PATH THREADS CALLS SEED")
    };
    let (threads, calls): (u64, u64) = (threads.parse().unwrap(), calls.parse().unwrap());
    let seed: u64 = seed.parse().unwrap();
    let door = Door::open(path).unwrap();
    // One call by packet and one that makes the session, so that the others meet a door that is no longer fresh.
    one(&door, 0, 0);
    one(&door, 0, 0);
    println!("begun");
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            let door = door.clone();
            std::thread::spawn(move || {
                let mut random = Random(seed.wrapping_add(thread.wrapping_mul(0x9E37)) | 1);
                let mut number = 0;
                while number < calls.div_ceil(threads) || ENOUGH.get().is_none() {
                    let size = if random.next().is_multiple_of(64) {
                        random.next() % 40_000
                    } else {
                        random.next() % 100
                    };
                    one(&door, number << 8 | thread, size);
                    number += 1;
                }
                number
            })
        })
        .collect();
    let mut lines = std::io::stdin().lines();
    lines.next().unwrap().unwrap();
    ENOUGH.set(()).unwrap();
    let right: u64 = workers
        .into_iter()
        .map(|worker| worker.join().unwrap())
        .sum();
    println!("right {right}");
    lines.for_each(drop);
}

/// `life-victim PATH`: calls until it is killed.
pub(super) fn victim(path: &str) {
    println!("begun");
    let mut random = Random(u64::from(std::process::id()) | 1);
    let mut number = 0;
    loop {
        let door = Door::open(path).unwrap();
        for _ in 0..random.next() % 200 {
            number += 1;
            one(&door, number, random.next() % 20_000);
        }
        // One more reference, which dies with us or here.
        let reply = door.call(b"d", vec![]).unwrap();
        let subject = Door::from_descriptor(reply.descriptors.into_iter().next().unwrap()).unwrap();
        one(&subject, number, 10);
    }
}

/// One call whose reply must be its own data.
fn one(door: &Door, number: u64, size: u64) {
    let mut data = vec![b'e'];
    data.extend_from_slice(&number.to_le_bytes());
    data.resize(usize::try_from(size).unwrap() + 9, number.to_le_bytes()[1]);
    let reply = door.call(&data, vec![]).unwrap();
    assert!(
        reply.data == data[1..],
        "call {number} of {size} bytes: a wrong reply"
    );
}

/// Marsaglia's xorshift: reproducible from its seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
