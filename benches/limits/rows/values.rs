//! Values beside the bytes of the same values.

use super::{Place, Rows, place, structure};
use crate::work::structure::VEC_BYTES;

impl Rows<'_> {
    pub(super) fn values(&mut self) {
        let bytes = self.p50(structure(), "doors bytes");
        for (peer, what, nanos, bound) in [
            ("doors", "struct, p50 above its bytes (us)", 1e3, 2.5),
            (
                "doors rkyv",
                "struct, doors rkyv, p50 above its bytes (ns)",
                1.0,
                250.0,
            ),
        ] {
            let values = self.p50(structure(), peer);
            let above = values.and_then(|values| Some((values - bytes?) / nanos));
            self.at_most(what, above, bound);
        }
        // What archives take by themselves, on both sides of a call with bytes.
        let by_hand = self.p50(structure(), "doors by hand");
        let above = by_hand.and_then(|by_hand| Some(by_hand - bytes?));
        let beside = self.beside(structure(), "doors rkyv", |beside| beside.p50);
        self.floor(above, beside);
        let large = Place {
            size: VEC_BYTES,
            ..place("struct", "Vec<u8>")
        };
        let beside = self.beside(large, "doors Vec<u8>", |beside| beside.p50);
        self.at_most("struct, 1 MiB Vec<u8>, p50 / its bytes", beside, 1.1);
    }
}
