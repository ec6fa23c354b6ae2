//! Pools whose threads go as soon as they can.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::door::{Door, Inner};
use crate::pool::{Pool, PoolLimits};
use crate::primitive::{AtomicUsize, Ordering};
use crate::{DoorAttributes, Options};

/// Procedures of the doors of this test that run at the moment, at most.
#[derive(Debug, Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A private door whose threads have to go after so long without a call; its procedure unbinds when it is asked to.
fn door(limits: PoolLimits, retire_after: Duration) -> (Door, Arc<Pool>) {
    let options = Options {
        attributes: DoorAttributes::PRIVATE,
        threads: limits,
        ..Options::default()
    };
    let door = Door::create_with(
        |call| {
            if call.data() == b"unbind" {
                crate::pool::unbind();
            }
            call.door_return(&[], vec![])
        },
        options,
    )
    .unwrap();
    let Inner::Own(own) = &*door.inner else {
        unreachable!("a door of our own")
    };
    let pool = Arc::clone(&own.core.pool);
    pool.retire_after(retire_after);
    (door, pool)
}

fn call(door: &Door, data: &[u8]) {
    let until = Instant::now() + Duration::from_secs(20);
    door.call_until(data, vec![], until).unwrap();
}

fn until(what: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_pool_that_has_shrunk_to_nothing_is_filled_by_the_next_call() {
    let (door, pool) = door(PoolLimits::new(0, 4), Duration::from_millis(1));
    for _ in 0..20 {
        until(|| pool.threads() == 0);
        call(&door, b"");
        call(&door, b"");
    }
}

#[test]
fn a_thread_that_retires_and_a_call_that_comes_never_miss_each_other() {
    for micros in [0, 30, 200] {
        let limits = PoolLimits::new(0, 3);
        let (door, pool) = door(limits, Duration::from_micros(micros));
        // First calls: no channel keeps a thread for them.
        let callers = [0, 1, 2].map(|seed: u64| {
            let door = door.clone();
            std::thread::spawn(move || {
                for round in seed..seed + 400 {
                    let fresh = Door::from_descriptor(door.descriptor().unwrap()).unwrap();
                    call(&fresh, if round % 7 == 0 { b"unbind" } else { b"" });
                    std::thread::sleep(Duration::from_micros(round * 13 % 150));
                }
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
        until(|| pool.threads() == 0);
    }
}

#[test]
fn the_ceiling_holds_while_threads_come_and_go() {
    let crowd = Arc::new(Crowd::default());
    let seen = Arc::clone(&crowd);
    let options = Options {
        attributes: DoorAttributes::PRIVATE,
        threads: PoolLimits::new(0, 2),
        ..Options::default()
    };
    let door = Door::create_with(
        move |call| {
            let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
            seen.most.fetch_max(now, Ordering::SeqCst);
            std::thread::yield_now();
            crate::pool::unbind();
            seen.now.fetch_sub(1, Ordering::SeqCst);
            call.door_return(&[], vec![])
        },
        options,
    )
    .unwrap();
    let callers = [(); 6].map(|()| {
        let door = door.clone();
        std::thread::spawn(move || (0..500).for_each(|_| call(&door, b"")))
    });
    for caller in callers {
        caller.join().unwrap();
    }
    assert!(crowd.most.load(Ordering::SeqCst) <= 2, "{crowd:?}");
}

#[test]
fn the_floor_stays_and_a_lower_one_does_not() {
    let (door, pool) = door(PoolLimits::new(2, 4), Duration::from_millis(1));
    call(&door, b"");
    until(|| pool.threads() == 2 && pool.idle() == 2);
    pool.set_limits(PoolLimits::new(1, 4));
    until(|| pool.threads() == 1);
    pool.set_limits(PoolLimits::new(0, 4));
    until(|| pool.threads() == 0);
    call(&door, b"");
}
