//! Calls one after another.

use super::{Place, Rows, place};
use crate::pin::Pin;

impl Rows<'_> {
    pub(super) fn calls(&mut self) {
        let null = place("null", "");
        let one_cpu = Pin::OneCpu;
        let micros = self.p50(null, "doors").map(|p50| p50 / 1e3);
        self.at_most("null, p50 (us)", micros, 2.0);
        let spin = self.beside_spinning(null, "spin");
        self.at_most("null, p50 / spin", spin, 2.0);
        let [p50, _] = self.ratios(
            Place {
                pin: one_cpu,
                ..null
            },
            "doors",
        );
        self.at_most("null on one CPU, p50 / unix stream", p50, 0.4);
        let [p50, _] = self.ratios(place("fd", "1 per call"), "doors");
        self.at_most("fd, 1 per call, p50 / unix stream", p50, 0.35);
        for (pin, what, bound) in [
            (Pin::Unpinned, "connect, p50 / unix stream", 1.3),
            (one_cpu, "connect on one CPU, p50 / unix stream", 1.0),
        ] {
            let connect = Place {
                pin,
                ..place("connect", "")
            };
            let [p50, _] = self.ratios(connect, "doors");
            let [floor, _] = self.ratios(connect, "first contact");
            let beside = self.beside(connect, "doors", |beside| beside.p50);
            self.at_most(what, p50, bound);
            self.floor(floor, beside);
        }
    }
}
