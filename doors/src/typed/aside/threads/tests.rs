use std::sync::Barrier;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::sys::clock::after;

/// Tells what becomes of it; while it is done it waits until its gate is gone.
struct Told {
    gate: Option<Receiver<()>>,
    tell: Sender<&'static str>,
}

impl Piece for Told {
    fn work(self: Box<Self>, done: &dyn Fn()) {
        if let Some(gate) = self.gate {
            let _gone = gate.recv();
        }
        done();
        self.tell.send("done").unwrap();
    }

    fn end_late(self: Box<Self>) {
        self.tell.send("late").unwrap();
    }
}

fn origin() -> Origin {
    Origin::Reference(0)
}

fn told(gate: Option<Receiver<()>>) -> (Box<dyn Piece>, Receiver<&'static str>) {
    let (tell, told) = channel();
    (Box::new(Told { gate, tell }), told)
}

#[test]
fn what_waits_is_done_late_or_taken_back() {
    let threads = Threads::new(2, 3);
    let (open, gate) = channel();
    let (first, first_told) = told(Some(gate));
    threads.push(&origin(), None, first).unwrap();
    // One of two threads is left for others.
    let (second, second_told) = told(None);
    threads.push(&origin(), None, second).unwrap();
    let (late, late_told) = told(None);
    let soon = after(Instant::now(), Duration::from_millis(20));
    threads.push(&origin(), Some(soon), late).unwrap();
    assert_eq!(late_told.recv(), Ok("late"));
    let (back, back_told) = told(None);
    let far = after(Instant::now(), Duration::from_hours(1));
    let back = threads.push(&origin(), Some(far), back).unwrap();
    assert!(threads.remove(&back) && !threads.remove(&back));
    assert!(back_told.recv().is_err());
    let (other, other_told) = told(None);
    threads.push(&Origin::Reference(1), None, other).unwrap();
    assert_eq!(other_told.recv(), Ok("done"));
    assert!(second_told.try_recv().is_err());
    drop(open);
    assert_eq!([first_told.recv(), second_told.recv()], [Ok("done"); 2]);
}

#[test]
fn nothing_that_waits_is_forgotten() {
    let threads = Threads::new(8, 10_000);
    std::thread::scope(|scope| {
        for pusher in 0..4_u64 {
            let threads = &threads;
            scope.spawn(move || {
                let mut pushed = Vec::new();
                for number in 0..3_000_u64 {
                    let (piece, told) = told(None);
                    let line = Origin::Reference(usize::try_from(number * pusher % 7).unwrap());
                    let until = after(Instant::now(), Duration::from_micros(number % 500));
                    let until = (number % 3 == 0).then_some(until);
                    let ticket = threads.push(&line, until, piece).unwrap();
                    if number % 5 == 0 && threads.remove(&ticket) {
                        assert!(told.recv().is_err());
                    } else {
                        pushed.push(told);
                    }
                    if number % 64 == 0 {
                        for told in pushed.drain(..) {
                            told.recv().unwrap();
                        }
                    }
                }
                for told in pushed.drain(..) {
                    told.recv().unwrap();
                }
            });
        }
    });
    // What was done last may go on for a moment.
    while lock(&threads.state).lines.going() > 0 {
        std::thread::yield_now();
    }
    let state = lock(&threads.state);
    assert_eq!(state.lines.waiting(), 0);
    assert!(state.threads <= 8);
}

/// Is done when so many are being done at once.
struct Meets(Arc<Barrier>, Sender<()>);

impl Piece for Meets {
    fn work(self: Box<Self>, done: &dyn Fn()) {
        self.0.wait();
        done();
        self.1.send(()).unwrap();
    }

    fn end_late(self: Box<Self>) {
        unreachable!("it has no deadline");
    }
}

#[test]
fn who_takes_a_piece_asks_for_the_next() {
    let threads = Threads::new(64, 10);
    let together = Arc::new(Barrier::new(5));
    let (tell, told) = channel();
    let piece = || Box::new(Meets(Arc::clone(&together), tell.clone()));
    // As where the looks that were owed seemed to be too many for them.
    for line in 0..4 {
        let mut state = lock(&threads.state);
        let pushed = state.lines.push(&Origin::Reference(line), None, piece());
        assert!(pushed.is_ok());
    }
    threads.push(&Origin::Reference(4), None, piece()).unwrap();
    for _ in 0..5 {
        told.recv().unwrap();
    }
}

#[test]
fn who_looks_in_vain_calls_on_the_watch() {
    let threads = Threads::new(2, 10);
    let (open, gate) = channel();
    let (first, _first_told) = told(Some(gate));
    threads.push(&origin(), None, first).unwrap();
    let (other, other_told) = told(None);
    threads.push(&Origin::Reference(1), None, other).unwrap();
    assert_eq!(other_told.recv(), Ok("done"));
    // As where the look that was owed for it finds that it may not begin any more.
    let (late, late_told) = told(None);
    let soon = after(Instant::now(), Duration::from_millis(20));
    let pushed = lock(&threads.state).lines.push(&origin(), Some(soon), late);
    assert!(pushed.is_ok());
    threads.more.notify_one();
    assert_eq!(late_told.recv(), Ok("late"));
    drop(open);
}
