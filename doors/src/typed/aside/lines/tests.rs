#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

const THREADS: usize = 16;

fn server(pid: i32) -> Origin {
    Origin::Process(pid)
}

/// Lines in which so many wait for a server each; a piece is its server.
fn full(servers: i32, many: usize) -> Lines<i32> {
    let mut lines = Lines::new(THREADS, many);
    for pid in 0..servers {
        for _ in 0..many {
            lines.push(&server(pid), None, pid).unwrap();
        }
        assert!(lines.push(&server(pid), None, pid).is_err());
    }
    lines
}

fn begin_all(lines: &mut Lines<i32>) -> Vec<i32> {
    std::iter::from_fn(|| lines.next())
        .map(|(_, pid)| pid)
        .collect()
}

#[test]
fn each_has_half_of_what_the_one_before_has_left() {
    let mut lines = Lines::new(THREADS, 100);
    for (pid, share) in (0..).zip([8, 4, 2, 1, 1, 0]) {
        for _ in 0..100 {
            lines.push(&server(pid), None, pid).unwrap();
        }
        assert_eq!(begin_all(&mut lines), vec![pid; share]);
    }
}

#[test]
fn lines_take_turns_and_come_to_the_same_share() {
    let mut lines = full(3, 100);
    assert_eq!(begin_all(&mut lines), [0, 1, 2].repeat(4));
    // What one ends another may begin.
    let mut lines = full(1, 100);
    assert_eq!(begin_all(&mut lines), [0; 8]);
    for _ in 0..100 {
        lines.push(&server(1), None, 1).unwrap();
    }
    begin_all(&mut lines);
    let mut going = [8, 4];
    for _ in 0..20 {
        for pid in [0, 1] {
            lines.done(&server(pid));
            going[usize::try_from(pid).unwrap()] -= 1;
            for pid in begin_all(&mut lines) {
                going[usize::try_from(pid).unwrap()] += 1;
            }
        }
    }
    assert!(
        going.iter().all(|share| (5..=6).contains(share)),
        "{going:?}"
    );
}

#[derive(Clone, Debug)]
enum Step {
    Push(i32, Option<u64>),
    Remove(usize),
    Next,
    Done(usize),
    Late(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push = || (0..5, any::<Option<u8>>());
    let step = prop_oneof![
        3 => push().prop_map(|(pid, until)| Step::Push(pid, until.map(u64::from))),
        1 => any::<usize>().prop_map(Step::Remove),
        3 => (0..1).prop_map(|_| Step::Next),
        2 => any::<usize>().prop_map(Step::Done),
        1 => any::<u8>().prop_map(|at| Step::Late(at.into())),
    ];
    vec(step, 0..400)
}

/// One that waits, in a list of all.
#[derive(Debug)]
struct Listed {
    pid: i32,
    piece: usize,
    until: Option<u64>,
    ticket: Ticket,
}

proptest! {
    /// As a list of all that wait, in which each way out is looked for from its beginning.
    #[test]
    fn whoever_waits_leaves_once_and_in_order(steps in steps()) {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut lines = Lines::new(THREADS, 20);
        let mut waiting: Vec<Listed> = Vec::new();
        let mut going: Vec<i32> = Vec::new();
        for (piece, step) in steps.into_iter().enumerate() {
            let count = |going: &[i32], pid| going.iter().filter(|one| **one == pid).count();
            match step {
                Step::Push(pid, until) => {
                    let is_full = waiting.iter().filter(|one| one.pid == pid).count() == 20;
                    match lines.push(&server(pid), until.map(at), piece) {
                        Ok(ticket) => waiting.push(Listed { pid, piece, until, ticket }),
                        Err(back) => prop_assert!(is_full && back == piece),
                    }
                }
                Step::Remove(number) if !waiting.is_empty() => {
                    let one = waiting.remove(number % waiting.len());
                    prop_assert_eq!(lines.remove(&one.ticket), Some(one.piece));
                    prop_assert_eq!(lines.remove(&one.ticket), None);
                }
                Step::Next => {
                    let left = THREADS - going.len();
                    let may = |one: &Listed| count(&going, one.pid) < left;
                    prop_assert_eq!(lines.may_begin_beside(0), waiting.iter().any(may));
                    prop_assert!(!lines.may_begin_beside(left));
                    if let Some((origin, piece)) = lines.next() {
                        let first = waiting.iter().position(|one| server(one.pid) == origin);
                        let one = waiting.remove(first.unwrap());
                        prop_assert!(may(&one) && one.piece == piece);
                        prop_assert_eq!(lines.remove(&one.ticket), None);
                        going.push(one.pid);
                    } else {
                        prop_assert!(!waiting.iter().any(may));
                    }
                }
                Step::Done(number) if !going.is_empty() => {
                    lines.done(&server(going.remove(number % going.len())));
                }
                Step::Late(now) => {
                    let first = waiting.iter().filter_map(|one| one.until).min();
                    prop_assert_eq!(lines.first_deadline(), first.map(at));
                    match lines.late(at(now)) {
                        Some(piece) => {
                            let place = waiting.iter().position(|one| one.piece == piece);
                            prop_assert_eq!(waiting.remove(place.unwrap()).until, first);
                            prop_assert!(first.unwrap() <= now);
                        }
                        None => prop_assert!(first.is_none_or(|first| first > now)),
                    }
                }
                Step::Remove(_) | Step::Done(_) => {}
            }
            prop_assert_eq!((lines.going(), lines.waiting()), (going.len(), waiting.len()));
        }
        // Nothing is left of lines that are empty.
        for one in waiting {
            lines.remove(&one.ticket);
        }
        for pid in going {
            lines.done(&server(pid));
        }
        prop_assert!(lines.all.is_empty() && lines.turns.is_empty() && lines.deadlines.is_empty());
    }
}
