//! Where the parts of large data lie in an area.
//!
//! Two things were measured (ARCHITECTURE.md, *Large data*). Both sides copy at once if the next part is put down while the
//! other side takes the one before. And a cache line that the other processor has in its own cache is dear to write, one that
//! has fallen back to the shared cache is cheap: so parts go round in an area that is larger than a processor's own cache,
//! instead of to its beginning again and again.

/// Parts are never smaller, but for the last: a turn takes some 0.4 us, a copy of so many bytes 1 us and more.
const SHORTEST: usize = 16 * 1024;
/// Parts are never larger where there is room for two: the first one and the last one are copied by one side alone.
const LONGEST: usize = 128 * 1024;
/// The best size of an area: twice a processor's own cache.
pub(crate) const RING_BYTES: usize = 2 * 1024 * 1024;
/// Data go in so many parts, as far as that is sensible.
const PARTS: usize = 4;
/// An area has room for so many parts, so that none lies where the one before is still being taken.
const ROOM: usize = 4;
/// A processor transfers whole cache lines.
const LINE: usize = 64;

/// A part of large data, in an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The offset in the area.
    pub(crate) at: usize,
    /// Bytes of it.
    pub(crate) len: usize,
}

/// How data are cut into parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Bytes of each part but the last.
    step: usize,
    /// Bytes of the area that are used.
    ring: usize,
}

impl Cut {
    /// For so many bytes in an area of this size, between two processors or on a single one: there, both sides have the
    /// same cache, and the less of it is used the better.
    #[inline]
    pub(crate) fn new(total: usize, area_bytes: usize, apart: bool) -> Self {
        let room = area_bytes / ROOM;
        if total <= SHORTEST || room < SHORTEST {
            return Self {
                step: total.min(area_bytes),
                ring: area_bytes,
            };
        }
        let step = (total / PARTS).clamp(SHORTEST, LONGEST.min(room));
        let step = step.next_multiple_of(LINE).min(room);
        let ring = if apart {
            area_bytes
        } else {
            step.saturating_mul(ROOM)
        };
        Self { step, ring }
    }

    /// Whether the next part may be put down while the other side takes the one before.
    #[inline]
    pub(crate) fn overlaps(self) -> bool {
        self.step <= self.ring / ROOM
    }
}

/// Where the next part goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor(usize);

impl Cursor {
    /// The place of the next part, of data of which so many bytes are left.
    #[inline]
    pub(crate) fn place(&mut self, cut: Cut, left: usize) -> Place {
        let len = left.min(cut.step);
        let end = self.0.saturating_add(len);
        let at = if end <= cut.ring { self.0 } else { 0 };
        self.0 = at.saturating_add(len).next_multiple_of(LINE);
        Place { at, len }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Cut, Place};

    /// The places of data that are sent a few times in a row.
    fn places(total: usize, area_bytes: usize, apart: bool) -> (Cut, Vec<Place>) {
        let cut = Cut::new(total, area_bytes, apart);
        let mut cursor = Cursor::default();
        let mut all = Vec::new();
        for _ in 0..5 {
            let mut left = total;
            while left > 0 {
                let place = cursor.place(cut, left);
                all.push(place);
                left = left.saturating_sub(place.len);
            }
        }
        (cut, all)
    }

    const SIZES: [usize; 10] = [
        1,
        64,
        4096,
        16_384,
        16_385,
        65_536,
        65_537,
        1 << 20,
        (16 << 20) + 1,
        64 << 20,
    ];
    const AREAS: [usize; 5] = [4096, 16_384, 65_536, 1 << 20, 2 << 20];

    #[test]
    fn all_bytes_have_a_place_inside_the_area() {
        for (total, area) in SIZES.into_iter().flat_map(|t| AREAS.map(|a| (t, a))) {
            for apart in [true, false] {
                let (_, all) = places(total, area, apart);
                assert_eq!(all.iter().map(|p| p.len).sum::<usize>(), 5 * total);
                assert!(
                    all.iter().all(|p| p.len > 0 && p.at + p.len <= area),
                    "{total} in {area}"
                );
            }
        }
    }

    #[test]
    fn a_part_never_lies_where_the_one_before_is_still_being_taken() {
        let mut overlapping = 0;
        for (total, area) in SIZES.into_iter().flat_map(|t| AREAS.map(|a| (t, a))) {
            for apart in [true, false] {
                let (cut, all) = places(total, area, apart);
                if !cut.overlaps() {
                    continue;
                }
                overlapping += 1;
                for pair in all.windows(2) {
                    let [one, next] = pair else { unreachable!() };
                    assert!(
                        next.at >= one.at + one.len || next.at + next.len <= one.at,
                        "{total} in {area}: {one:?}, {next:?}"
                    );
                }
            }
        }
        assert!(overlapping > 20, "{overlapping}");
    }

    #[test]
    fn calls_go_round_in_an_area() {
        let (_, all) = places(65_536, 2 << 20, true);
        let first = all.first().unwrap();
        assert_eq!(all.iter().filter(|p| p.at == first.at).count(), 1);
        let (cut, near) = places(65_536, 2 << 20, false);
        assert!(near.iter().all(|p| p.at < 4 * cut.step));
    }
}
