//! The words and the area of a channel, both of whose sides are one thread: what a call costs without a second one.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot run ends")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use doors::measure::Conversation;

fn words(criterion: &mut Criterion) {
    let mut both = Conversation::new(0).unwrap();
    criterion.bench_function("channel state, a call and its answer", |bencher| {
        bencher.iter(|| assert!(both.turn()));
    });
}

fn area(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("area, in and out");
    for size in [8_u32, 1 << 10, 64 << 10, 1 << 20] {
        group.throughput(Throughput::Bytes(size.into()));
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |bencher, size| {
            let mut both = Conversation::new(*size).unwrap();
            let data = vec![7; usize::try_from(*size).unwrap()];
            bencher.iter(|| both.carry(black_box(&data)).unwrap().len());
        });
    }
    group.finish();
}

criterion_group!(benches, words, area);
criterion_main!(benches);
