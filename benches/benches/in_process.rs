//! A door without a transport: what checks and bookkeeping of a call cost, without the other process.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot run ends")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use doors::Door;

fn bytes(criterion: &mut Criterion) {
    let procedure = |call: doors::Invocation<'_>| {
        let data = call.data();
        call.door_return(data, vec![])
    };
    let door = Door::in_process(procedure).unwrap();
    let mut group = criterion.benchmark_group("call in process");
    for size in [8_u32, 1 << 10, 64 << 10] {
        group.throughput(Throughput::Bytes(size.into()));
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |bencher, size| {
            let data = vec![7; usize::try_from(*size).unwrap()];
            let mut results = Vec::new();
            bencher.iter(|| {
                results.clear();
                door.call_into(black_box(&data), Vec::new(), None, &mut results)
                    .unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bytes);
criterion_main!(benches);
