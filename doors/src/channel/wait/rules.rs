//! Each rule of waiting, by how often a wait looks at its word.
//!
//! Looks and yields are counted, not timed. A yield may take long here, too, if the machine is busy; then what was tried is
//! tried again.

use std::cell::Cell;
use std::io::Write;
use std::time::{Duration, Instant};

use super::{
    BARRED, HANDED, LONGEST_FROM_US, LONGEST_TO_US, LONGEST_US, Patience, Peer, RETRY_EVERY,
    SHORTEST_US, SOON, STRIDE, Spent, WAKE_TO_US, YIELDS,
};
use crate::channel::lull::KEEN_LOOKS;
use crate::sys::cpu;
use crate::waiting::Waiting;

/// Looks that any wait begins with.
const FREE: u32 = 2;
/// The word never comes.
const NEVER: u32 = u32::MAX;

/// A wait, where both sides run on these processors, for a word that is there at the look with this number; how it
/// ended, and how many looks it took.
fn wait(patience: &mut Patience, cpus: (u32, u32), at: u32, state: Peer) -> (Spent, u32) {
    let looks = Cell::new(0);
    let there = || {
        looks.set(looks.get() + 1);
        looks.get() >= at
    };
    let spent = patience.spend(|| cpus, there, || false, state);
    (spent, looks.get())
}

/// A wait for a peer on another processor.
fn elsewhere(patience: &mut Patience, at: u32) -> (Spent, u32) {
    wait(patience, (0, 1), at, Peer::Awake)
}

/// A wait for a peer on our own processor.
fn here(patience: &mut Patience, at: u32) -> (Spent, u32) {
    wait(patience, (1, 1), at, Peer::Awake)
}

/// Looks that a wait for a peer that was awake takes, in which so many microseconds are spent.
fn looks(us: u32) -> u32 {
    let pauses = us * cpu::pauses_per_microsecond();
    FREE + KEEN_LOOKS + pauses.next_multiple_of(STRIDE)
}

/// Whether nobody looks here; says that the calling test does less then.
fn is_short() -> bool {
    let short = cpu::is_short();
    if short {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("a test");
        let _said = writeln!(
            std::io::stderr(),
            "SKIPPED {name}: there is a quota below two processors"
        );
    }
    short
}

/// Tries a thing until no yield in it was too long.
fn undisturbed<T>(try_it: impl Fn(&mut Patience) -> T) -> T {
    loop {
        let mut patience = Patience::new(Waiting::Auto);
        let seen = try_it(&mut patience);
        if patience.barred == 0 && patience.next_barred == BARRED {
            return seen;
        }
    }
}

#[test]
fn what_is_there_at_the_second_look_is_seen_by_whoever_waits_and_however() {
    for waiting in [
        Waiting::Auto,
        Waiting::Spin,
        Waiting::Handoff,
        Waiting::Block,
    ] {
        for at in 1..=FREE {
            let mut patience = Patience::new(waiting);
            let seen = (Spent::Seen, at);
            assert_eq!(elsewhere(&mut patience, at), seen);
            assert_eq!(here(&mut patience, at), seen);
        }
    }
}

#[test]
fn who_blocks_looks_no_more_than_that() {
    let mut patience = Patience::new(Waiting::Block);
    for _ in 0..100 {
        assert_eq!(elsewhere(&mut patience, NEVER), (Spent::Nothing, FREE));
        assert_eq!(here(&mut patience, NEVER), (Spent::Nothing, FREE));
    }
}

#[test]
fn who_hands_off_does_not_look_at_another_processor() {
    let mut patience = Patience::new(Waiting::Handoff);
    for _ in 0..100 {
        assert_eq!(elsewhere(&mut patience, NEVER), (Spent::Blown, FREE));
    }
}

#[test]
fn a_look_that_finds_nothing_halves_the_next_and_one_that_finds_something_doubles_it() {
    if is_short() {
        return;
    }
    let mut patience = Patience::new(Waiting::Auto);
    for us in [LONGEST_US, 25, 12, 6, 3, SHORTEST_US, SHORTEST_US] {
        assert_eq!(elsewhere(&mut patience, NEVER), (Spent::Blown, looks(us)));
    }
    for us in [2, 4, 8, 16, 32, LONGEST_US, LONGEST_US] {
        assert_eq!(elsewhere(&mut patience, FREE + 1).0, Spent::Seen);
        assert_eq!(patience.budget_us, [us, LONGEST_US]);
    }
    // The last look is still one: what comes at it was found.
    let last = looks(LONGEST_US);
    assert_eq!(elsewhere(&mut patience, last), (Spent::Seen, last));
}

#[test]
fn now_and_then_a_look_is_whole_and_always_for_who_spins() {
    if is_short() {
        return;
    }
    let mut patience = Patience::new(Waiting::Auto);
    for wait in 1..=4 * RETRY_EVERY {
        let (_, took) = elsewhere(&mut patience, NEVER);
        let whole = took == looks(LONGEST_US);
        assert_eq!(whole, wait == 1 || wait % RETRY_EVERY == 0, "wait {wait}");
    }
    let mut patience = Patience::new(Waiting::Spin);
    for _ in 0..RETRY_EVERY {
        let whole = (Spent::Blown, looks(LONGEST_US));
        assert_eq!(elsewhere(&mut patience, NEVER), whole);
    }
}

#[test]
fn a_peer_that_was_woken_has_a_budget_of_its_own() {
    if is_short() {
        return;
    }
    let mut patience = Patience::new(Waiting::Auto);
    for _ in 0..8 {
        let _blown = wait(&mut patience, (0, 1), NEVER, Peer::Woken);
    }
    assert_eq!(patience.budget_us, [LONGEST_US, SHORTEST_US]);
    // It is not so fast that it is looked for without a pause.
    let (_, took) = wait(&mut patience, (0, 1), NEVER, Peer::Woken);
    assert_eq!(took, looks(SHORTEST_US) - KEEN_LOOKS);
    // What was learned holds nowhere else.
    patience.begin_anew();
    assert_eq!(patience.budget_us, [LONGEST_US, LONGEST_US]);
}

#[test]
fn calls_that_were_handed_over_in_a_row_make_stale_what_is_known_of_a_woken_peer() {
    if is_short() {
        return;
    }
    // By the first looks, if it was woken; else, and by yields, whether it was or not.
    for (handed, state, at) in [
        (HANDED, Peer::Woken, FREE),
        (HANDED, Peer::Woken, FREE + 1),
        (HANDED, Peer::Awake, FREE + 1),
        (HANDED - 1, Peer::Woken, FREE),
        (HANDED - 1, Peer::Awake, FREE + 1),
        (HANDED, Peer::Awake, FREE),
    ] {
        let is_stale = handed == HANDED && (state, at) != (Peer::Awake, FREE);
        undisturbed(|patience| {
            patience.budget_us = [SHORTEST_US; 2];
            for _ in 0..handed {
                let _handed = wait(patience, (1, 1), at, state);
            }
            if patience.barred == 0 {
                let woken = if is_stale { LONGEST_US } else { SHORTEST_US };
                assert_eq!(
                    patience.budget_us,
                    [SHORTEST_US, woken],
                    "{handed} {state:?}"
                );
            }
        });
    }
    // A look elsewhere ends the row.
    undisturbed(|patience| {
        patience.budget_us = [SHORTEST_US; 2];
        for _ in 0..4 * HANDED {
            for _ in 1..HANDED {
                let _handed = wait(patience, (1, 1), FREE, Peer::Woken);
            }
            let _blown = elsewhere(patience, NEVER);
            assert_eq!(patience.budget_us, [SHORTEST_US; 2]);
        }
    });
}

#[test]
fn how_long_a_wake_takes_is_learned_slowly_and_within_bounds() {
    let mut patience = Patience::new(Waiting::Auto);
    // Of one half more than it took, an eighth.
    patience.learn_wake(60);
    assert_eq!(patience.longest_us, (LONGEST_US * 7 + 90) / 8);
    for (took, bound) in [(1, LONGEST_FROM_US), (WAKE_TO_US, LONGEST_TO_US)] {
        for _ in 0..100 {
            patience.learn_wake(took);
        }
        assert_eq!(patience.longest_us, bound);
    }
    for nonsense in [0, WAKE_TO_US + 1, u32::MAX] {
        patience.learn_wake(nonsense);
        assert_eq!(patience.longest_us, LONGEST_TO_US);
    }
}

#[test]
fn what_was_learned_of_wakes_is_the_whole_budget() {
    if is_short() {
        return;
    }
    let mut patience = Patience::new(Waiting::Spin);
    for _ in 0..100 {
        patience.learn_wake(1);
    }
    let whole = (Spent::Blown, looks(LONGEST_FROM_US));
    assert_eq!(elsewhere(&mut patience, NEVER), whole);
    for _ in 0..10 {
        assert_eq!(elsewhere(&mut patience, FREE + 1).0, Spent::Seen);
    }
    assert_eq!(patience.budget_us[0], LONGEST_FROM_US);
}

#[test]
fn yields_in_vain_are_half_as_many_the_next_time_and_one_is_left() {
    let took = undisturbed(|patience| {
        let in_vain = |()| here(patience, NEVER);
        [(); 4].map(in_vain)
    });
    let yields = [YIELDS, YIELDS / 2, 1, 1];
    assert_eq!(took, yields.map(|yields| (Spent::Nothing, FREE + yields)));
}

#[test]
fn a_short_sleep_brings_the_yields_back_and_a_longer_one_does_not() {
    undisturbed(|patience| {
        for (slept, soon) in [(SOON, true), (SOON + Duration::from_nanos(1), false)] {
            let _in_vain = here(patience, NEVER);
            assert_eq!(patience.learn_nap(slept), soon);
            if patience.barred == 0 {
                assert_eq!(patience.yields == YIELDS, soon);
            }
        }
        patience.begin_anew();
        assert_eq!(patience.yields, YIELDS);
    });
}

#[test]
fn what_comes_after_a_yield_came_soon_or_late() {
    let at_once = undisturbed(|patience| {
        let begun = Instant::now();
        let (spent, looks) = here(patience, FREE + 1);
        (spent, looks, begun.elapsed() > SOON)
    });
    let (spent, looks, disturbed) = at_once;
    assert_eq!(looks, FREE + 1);
    assert!(spent == Spent::Yielded { soon: true } || disturbed);
    let late = undisturbed(|patience| {
        let looks = Cell::new(0);
        let there = || {
            looks.set(looks.get() + 1);
            let there = looks.get() > FREE;
            let until = Instant::now() + SOON + Duration::from_micros(1);
            while there && Instant::now() < until {}
            there
        };
        let spent = patience.spend(|| (0, 0), there, || false, Peer::Awake);
        (spent, patience.paid)
    });
    assert_eq!(late, (Spent::Yielded { soon: false }, 1));
}

#[test]
fn something_else_to_do_ends_a_wait_at_the_next_stride_or_yield() {
    let stopped = |patience: &mut Patience, cpus| {
        let looks = Cell::new(0);
        let there = || {
            looks.set(looks.get() + 1);
            false
        };
        (
            patience.spend(|| cpus, there, || true, Peer::Awake),
            looks.get(),
        )
    };
    let took = undisturbed(|patience| stopped(patience, (1, 1)));
    assert_eq!(took, (Spent::Nothing, FREE + 1));
    if !is_short() {
        let mut patience = Patience::new(Waiting::Auto);
        let took = stopped(&mut patience, (0, 1));
        assert_eq!(took, (Spent::Nothing, FREE + KEEN_LOOKS + STRIDE));
    }
}

#[test]
fn a_peer_rests_unless_the_last_yield_was_too_long() {
    let mut patience = Patience::new(Waiting::Auto);
    assert!(patience.peer_rests());
    patience.bar();
    for _ in 0..BARRED {
        assert!(!patience.peer_rests());
        assert_eq!(here(&mut patience, NEVER), (Spent::Nothing, FREE));
    }
    // One yield, with which it is found out anew.
    let (_, looks) = here(&mut patience, NEVER);
    assert_eq!(looks, FREE + 1);
    assert_eq!(patience.peer_rests(), patience.barred == 0);
    // Another processor is another matter.
    patience.bar();
    patience.begin_anew();
    assert!(patience.peer_rests());
}
