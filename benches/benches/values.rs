//! What a procedure with values costs beyond one with bytes: of the caller's side alone, and of both sides.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot run ends")]

use std::hint::black_box;
use std::sync::mpsc::channel;

use criterion::{Criterion, criterion_group, criterion_main};
use doors::{Door, DoorAttributes, door};
use doors_bench::Sample;

/// Gives back what it got.
#[door]
fn mirror(sample: Sample) -> Sample {
    sample
}

/// The bytes of a call and of its answer, as they pass by.
fn bytes_of_both(sample: &Sample) -> (Vec<u8>, Vec<u8>) {
    let (passed, passing) = channel();
    let server = mirror::door().unwrap();
    let relay = Door::in_process(move |call| {
        let answer = server.call(call.data(), vec![]).unwrap().data;
        passed.send((call.data().to_vec(), answer.clone())).unwrap();
        call.door_return(&answer, vec![])
    });
    let again = MirrorClient::from(relay.unwrap()).call(sample.clone());
    assert_eq!(&again.unwrap(), sample);
    passing.recv().unwrap()
}

fn values(criterion: &mut Criterion) {
    let sample = Sample::new();
    let (arguments, results) = bytes_of_both(&sample);
    let mut group = criterion.benchmark_group("a structure there and back");

    // No server procedure reads anything here: the answer is always the same.
    let answer = results.clone();
    let fixed = Door::in_process(move |call| call.door_return(&answer, vec![])).unwrap();
    let values = MirrorClient::from(fixed.clone());
    group.bench_function("caller's side, values", |bencher| {
        bencher.iter(|| values.call(black_box(&sample).clone()).unwrap());
    });
    group.bench_function("caller's side, bytes", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            fixed
                .call_into(black_box(&arguments), Vec::new(), None, &mut out)
                .unwrap();
        });
    });

    // Through windows, to a thread of this process.
    let values = MirrorClient::from(mirror::door().unwrap());
    group.bench_function("both sides, values", |bencher| {
        bencher.iter(|| values.call(black_box(&sample).clone()).unwrap());
    });
    let bytes = Door::create(
        move |call| call.door_return(&results, vec![]),
        DoorAttributes::empty(),
    );
    let bytes = bytes.unwrap();
    group.bench_function("both sides, bytes", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            bytes
                .call_into(black_box(&arguments), Vec::new(), None, &mut out)
                .unwrap();
        });
    });
    group.finish();
}

criterion_group!(benches, values);
criterion_main!(benches);
