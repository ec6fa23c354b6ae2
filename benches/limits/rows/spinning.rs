//! Calls beside those of a peer that spins as well.

use super::super::FAR;
use super::{Place, Rows, place, structure};

impl Rows<'_> {
    pub(super) fn spinning(&mut self) {
        let null = self.beside_spinning(place("null", ""), FAR);
        self.at_most("null, p50 / iceoryx2 polling", null, 0.25);
        for (size, bound) in [(64 << 10, 1.0), (1 << 20, 1.2), (16 << 20, 1.0)] {
            let echo = place("echo", "");
            let far = self.beside_spinning(Place { size, ..echo }, FAR);
            let what = format!("echo {}, p50 / iceoryx2 slices", crate::text::bytes(size));
            self.at_most(what, far, bound);
        }
        let values = self.beside_spinning_by(structure(), "doors rkyv", FAR);
        self.at_most("struct, doors rkyv, p50 / iceoryx2 polling", values, 0.7);
    }
}
