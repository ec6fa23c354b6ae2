//! Results as JSON.

use serde_json::{Map, Value, json};

use crate::record::{Record, Times};
use crate::statistics::Spread;

/// An array with an object for each record.
#[must_use]
pub fn json(records: &[Record]) -> Value {
    Value::Array(records.iter().map(object).collect())
}

fn object(record: &Record) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("work", json!(record.work));
    put("variant", json!(record.variant));
    put("size", json!(record.size));
    put("threads", json!(record.threads));
    put("pin", json!(record.pin.name()));
    put("peer", json!(record.peer));
    put("rounds", json!(record.rounds));
    let spread = |pick: fn(&Times) -> Option<Spread>| record.times.as_ref().and_then(pick);
    // Medians of the rounds; null for what a work does not have.
    for (key, spread) in [
        ("p50_ns", spread(|times| Some(times.p50))),
        ("p99_ns", spread(|times| Some(times.p99))),
        ("p999_ns", spread(|times| Some(times.p999))),
        ("mean_ns", spread(|times| Some(times.mean))),
        ("calls_per_s", spread(|times| times.calls_per_s)),
        ("client_cpu_ns", spread(|times| times.client_cpu)),
        ("server_cpu_ns", spread(|times| times.server_cpu)),
        ("p50_ratio", spread(|times| times.ratio)),
        ("p99_ratio", spread(|times| times.ratio_p99)),
    ] {
        put(key, json!(spread.map(|spread| spread.median)));
        put(
            &format!("{key}_range"),
            json!(spread.map(|spread| [spread.min, spread.max])),
        );
    }
    put("also", json!(record.also));
    put("note", json!(record.note));
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::drive::Across;
    use crate::pin::Pin;
    use crate::statistics::{Latencies, Round};

    fn record(times: Option<Times>) -> Record {
        Record {
            work: "null",
            variant: String::new(),
            size: 8,
            threads: 1,
            pin: Pin::Unpinned,
            peer: "doors",
            rounds: 5,
            times,
            also: BTreeMap::from([("sessions", 3.0)]),
            note: String::new(),
        }
    }

    #[test]
    fn a_record_has_the_keys_that_are_promised() {
        let mut latencies = Latencies::new().unwrap();
        latencies.record(100).unwrap();
        let round = Round {
            latencies,
            elapsed: Duration::from_nanos(100),
            client_busy: Duration::from_nanos(90),
            server_busy: Duration::from_nanos(80),
            others: 0.0,
            across: Across::default(),
        };
        let times = Times::of(
            std::slice::from_ref(&round),
            Some(std::slice::from_ref(&round)),
        );
        let Value::Array(array) = json(&[record(Some(times.unwrap()))]) else {
            panic!("no array");
        };
        let object = array[0].as_object().unwrap();
        for key in [
            "work",
            "size",
            "threads",
            "pin",
            "peer",
            "p50_ns",
            "p99_ns",
            "p999_ns",
            "mean_ns",
            "calls_per_s",
            "client_cpu_ns",
            "server_cpu_ns",
            "rounds",
        ] {
            assert!(!object[key].is_null(), "{key}");
        }
        assert_eq!(object["p50_ns"], 100.0);
        assert_eq!(object["client_cpu_ns"], 90.0);
        assert_eq!(object["server_cpu_ns"], 80.0);
        assert_eq!(object["p50_ratio"], 1.0);
        assert_eq!(object["also"]["sessions"], 3.0);
    }

    #[test]
    fn a_work_without_calls_has_the_same_keys() {
        let array = json(&[record(None)]);
        let object = array[0].as_object().unwrap();
        assert!(object["p50_ns"].is_null() && object.contains_key("server_cpu_ns"));
    }
}
