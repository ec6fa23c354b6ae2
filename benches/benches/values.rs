//! The codec of typed procedures: a structure to bytes and back.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot run ends")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use doors_bench::Sample;

fn values(criterion: &mut Criterion) {
    let sample = Sample::new();
    let mut bytes = Vec::new();
    sample.to_bytes(&mut bytes).unwrap();
    criterion.bench_function("struct to bytes", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| black_box(&sample).to_bytes(&mut out).unwrap());
    });
    criterion.bench_function("struct of bytes", |bencher| {
        bencher.iter(|| Sample::of_bytes(black_box(&bytes)).unwrap());
    });
}

criterion_group!(benches, values);
criterion_main!(benches);
