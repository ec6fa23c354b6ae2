//! Values, which are read and written by both sides.

use super::{ALL, ASLEEP};
use crate::Result;
use crate::contest::{self, Setting};
use crate::job::Kind;
use crate::peer::{DOORS, DOORS_BY_HAND, DOORS_BYTES, DOORS_RKYV, DOORS_VEC, Peer};
use crate::pin::Pin;
use crate::record::Record;
use crate::sample::Sample;
use crate::suite::Suite;

/// How many bytes are a value.
pub(crate) const VEC_BYTES: usize = 1 << 20;

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let mut setting = Setting {
        kind: Kind::Struct,
        size: Sample::size()?,
        floors: &[("doors rkyv", "doors by hand")],
        ..Setting::new("struct", suite)
    };
    let apart = suite.processors.all().len() > 1;
    let mut peers: Vec<&dyn Peer> = vec![&DOORS_RKYV, &DOORS_BY_HAND, &DOORS_BYTES];
    peers.extend(if apart { ALL } else { ASLEEP });
    let mut records = contest::run(suite, &setting, &peers)?;
    // The floor of a peer that spins has a processor for each side.
    if apart && suite.more.iter().any(|peer| peer.spins()) {
        setting.pin = Pin::OneEach;
        records.extend(contest::run(suite, &setting, &peers)?);
    }
    let bytes = Setting {
        variant: "Vec<u8>".into(),
        size: VEC_BYTES,
        floors: &[("doors Vec<u8>", "doors")],
        ..Setting::new("struct", suite)
    };
    records.extend(contest::run(suite, &bytes, &[&DOORS, &DOORS_VEC])?);
    Ok(records)
}
