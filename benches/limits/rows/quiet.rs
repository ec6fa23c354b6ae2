//! Whoever does nothing.

use super::{Place, Rows, place};
use crate::record::Record;

impl Rows<'_> {
    pub(super) fn quiet(&mut self) {
        self.quiet_clients();
        self.many_doors();
        self.idle();
        self.death();
    }

    fn quiet_clients(&mut self) {
        let connection = self
            .records
            .iter()
            .rfind(|r| r.also.contains_key("connections"));
        let connection = connection.and_then(|record| record.also.get("descriptors_each"));
        let connection = connection.copied().unwrap_or_default();
        for (what, memory, without, besides) in [
            ("sessions", 160.0, connection, " besides the token"),
            ("connections", 8.0, 0.0, ""),
        ] {
            let steps: Vec<&Record> = self
                .records
                .iter()
                .filter(|r| r.also.contains_key(what))
                .collect();
            let flat = slope(&steps, "beside_none_quiet");
            let figure = |name| steps.last()?.also.get(name).copied();
            let count = figure(what).unwrap_or_default();
            let memory_each = figure("memory_each").map(|bytes| bytes / 1024.0);
            // The connection by which the door was opened is there with and without a session.
            let descriptors = figure("descriptors_each").map(|all| all - without);
            self.at_most(
                format!("scale to {count} {what}, slowest p50 / first"),
                flat,
                1.2,
            );
            self.at_most(
                format!("scale to {count} {what}, KiB each"),
                memory_each,
                memory,
            );
            self.at_most(
                format!("scale to {count} {what}, descriptors each{besides}"),
                descriptors,
                2.0,
            );
            self.at_most(
                format!("scale to {count} {what}, threads more"),
                figure("threads_more"),
                0.0,
            );
        }
    }

    fn many_doors(&mut self) {
        let steps: Vec<&Record> = self
            .records
            .iter()
            .filter(|r| r.also.contains_key("doors"))
            .collect();
        let count = steps
            .last()
            .and_then(|last| last.also.get("doors").copied());
        self.at_most(
            format!(
                "scale to {} doors, slowest p50 / first",
                count.unwrap_or_default()
            ),
            slope(&steps, "beside_one_door"),
            1.2,
        );
    }

    fn idle(&mut self) {
        for what in [
            "server_switches",
            "client_switches",
            "server_cpu_ns",
            "client_cpu_ns",
        ] {
            let idle = self
                .records
                .iter()
                .find(|r| r.work == "idle" && r.peer == "doors");
            let measured = idle.and_then(|record| record.also.get(what).copied());
            self.at_most(format!("idle, {}", what.replace('_', " ")), measured, 0.0);
        }
    }

    fn death(&mut self) {
        let death = Place {
            size: 8,
            ..place("death", "")
        };
        let longest = self
            .times(death, "doors")
            .map(|times| times.all.at(0.999) / 1e6);
        self.at_most("death, p99.9 (ms)", longest, 50.0);
    }
}

/// The largest of steps beside the first.
fn slope(steps: &[&Record], figure: &str) -> Option<f64> {
    let mut figures = steps
        .iter()
        .filter_map(|record| record.also.get(figure).copied());
    let first = figures.next()?;
    Some(figures.fold(first, f64::max) / first)
}
