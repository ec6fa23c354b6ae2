//! How large an area should be: a bare loop with the four copies of data that come back, in parts, round in areas of several
//! sizes, between two threads that look without a pause. The table of ARCHITECTURE.md, *Large data*, is of such a loop.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::disallowed_types,
    reason = "a measurement that cannot run ends; no loom here"
)]

use std::hint::{black_box, spin_loop};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// An area for one direction: places for parts, which nobody but their owner of the moment locks.
struct Area {
    places: Vec<Mutex<Vec<u8>>>,
    part: usize,
    put: AtomicUsize,
    taken: AtomicUsize,
    /// Nobody puts down anything any more.
    over: AtomicBool,
}

impl Area {
    fn new(bytes: usize, part: usize) -> Self {
        let place = |_| Mutex::new(vec![1; part]);
        Self {
            places: (0..bytes.div_ceil(part)).map(place).collect(),
            part,
            put: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    fn place(&self, turn: usize) -> &Mutex<Vec<u8>> {
        self.places.get(turn % self.places.len()).unwrap()
    }

    fn put(&self, data: &[u8]) {
        for part in data.chunks(self.part) {
            let turn = self.put.load(Ordering::Relaxed);
            wait(|| turn - self.taken.load(Ordering::Acquire) < self.places.len());
            let mut place = self.place(turn).lock().unwrap();
            place.split_at_mut(part.len()).0.copy_from_slice(part);
            drop(place);
            self.put.store(turn + 1, Ordering::Release);
        }
    }

    /// Whether there was something to take.
    fn take(&self, data: &mut [u8]) -> bool {
        for part in data.chunks_mut(self.part) {
            let turn = self.taken.load(Ordering::Relaxed);
            let is_over = || self.over.load(Ordering::Relaxed);
            wait(|| self.put.load(Ordering::Acquire) > turn || is_over());
            if is_over() {
                return false;
            }
            let place = self.place(turn).lock().unwrap();
            part.copy_from_slice(place.split_at(part.len()).0);
            drop(place);
            self.taken.store(turn + 1, Ordering::Release);
        }
        true
    }
}

/// Looks, and now and then lets somebody else run: there may be a single processor.
fn wait(is_over: impl Fn() -> bool) {
    let mut looks = 0_u32;
    while !is_over() {
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(1 << 16) {
            thread::yield_now();
        }
        spin_loop();
    }
}

/// Data that come back, through areas of one size.
fn there_and_back(criterion: &mut Criterion, bytes: usize, area: usize, part: usize) {
    let (calls, replies) = (Area::new(area, part), Area::new(area, part));
    let mut group = criterion.benchmark_group(format!("there and back, {} KiB", bytes >> 10));
    group.throughput(Throughput::Bytes(u64::try_from(bytes).unwrap()));
    let id = BenchmarkId::new("area in KiB", area >> 10);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut data = vec![1; bytes];
            while calls.take(&mut data) {
                replies.put(&data);
            }
        });
        group.bench_function(id, |bencher| {
            let (data, mut results) = (vec![7; bytes], vec![1; bytes]);
            bencher.iter(|| {
                calls.put(black_box(&data));
                assert!(replies.take(&mut results));
            });
        });
        calls.over.store(true, Ordering::Relaxed);
    });
    group.finish();
}

fn areas(criterion: &mut Criterion) {
    let parts = [
        (64 << 10, 16 << 10),
        (256 << 10, 64 << 10),
        (1 << 20, 64 << 10),
        (16 << 20, 128 << 10),
    ];
    for (bytes, part) in parts {
        for area in [64 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20] {
            // Both sides copy at once only where there is room for some parts.
            if area >= part * 4 {
                there_and_back(criterion, bytes, area, part);
            }
        }
        there_and_back(criterion, bytes, bytes, bytes);
    }
}

criterion_group!(benches, areas);
criterion_main!(benches);
