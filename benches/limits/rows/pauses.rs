//! Calls with pauses, or beside other work.

use super::{Place, Rows, place};
use crate::pin::Pin;

impl Rows<'_> {
    pub(super) fn pauses(&mut self) {
        self.busy_pauses();
        self.sleeps();
        self.other_work();
    }

    fn busy_pauses(&mut self) {
        let busy = place("sparse", "300 us busy");
        for (peer, floor, p50_bound, cpu_bound) in [
            ("doors leaf", "hand-off", 0.08, 5.0),
            ("doors", "hand-off wide", 0.2, 8.0),
        ] {
            let [p50, p99] = self.ratios(busy, peer);
            let [floor_p50, _] = self.ratios(busy, floor);
            self.at_most(
                format!("sparse 300 us busy, {peer}, p50 / unix stream"),
                p50,
                p50_bound,
            );
            let beside = self.beside(busy, peer, |beside| beside.p50);
            self.floor(floor_p50, beside);
            self.at_most(
                format!("sparse 300 us busy, {peer}, p99 / unix stream"),
                p99,
                0.5,
            );
            let cpu = |rows: &Self, peer| {
                let times = rows.times(busy, peer)?;
                Some(times.server_cpu?.median / 1e3)
            };
            let (cpu, floor_cpu) = (cpu(self, peer), cpu(self, floor));
            self.at_most(
                format!("sparse 300 us busy, {peer}, server CPU (us)"),
                cpu,
                cpu_bound,
            );
            let beside = self.beside(busy, peer, |beside| beside.server_cpu);
            self.floor(floor_cpu, beside);
        }
    }

    fn sleeps(&mut self) {
        let asleep = place("sparse", "1.00 ms asleep");
        for (pin, where_to) in [(Pin::Unpinned, ""), (Pin::OneEach, " one each")] {
            for peer in ["doors", "doors leaf"] {
                let ratios = self.ratios(Place { pin, ..asleep }, peer);
                for (ratio, part) in ratios.into_iter().zip(["p50", "p99"]) {
                    self.at_most(
                        format!("sparse 1 ms asleep{where_to}, {peer}, {part} / unix stream, median round"),
                        ratio,
                        1.0,
                    );
                }
            }
        }
        // In rounds in which the scheduler has put the stream's sides on different processors, and all went where they liked.
        let begun_apart = Place {
            pin: Pin::BegunApart,
            ..asleep
        };
        let places = [asleep, begun_apart].map(|place| self.times(place, "doors"));
        let looked = places.map(|times| times.and_then(|times| times.across));
        let seen = looked.iter().flatten().find_map(|across| across.p50);
        self.at_most(
            "sparse 1 ms asleep, p50 / unix stream across processors, such rounds",
            seen.map(|ratio| ratio.median),
            0.2,
        );
        if let Some(last) = self.limits.last_mut() {
            last.not_seen = looked.iter().all(Option::is_some) && seen.is_none();
        }
    }

    fn other_work(&mut self) {
        let burn = self.records.iter().find(|record| record.work == "burn");
        let burn = burn.map_or_else(String::new, |record| record.variant.clone());
        let [p50, p99] = self.ratios(place("burn", &burn), "doors");
        self.at_most("burn, p50 / unix stream", p50, 0.5);
        self.at_most("burn, p99 / unix stream", p99, 1.0);
    }
}
