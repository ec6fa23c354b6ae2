//! A frozen archive of a type that has none.

use doors::FrozenArchive;

struct Index;

#[doors::door]
trait Finder {
    fn find(&self, index: FrozenArchive<Index>) -> u32;
}

fn main() {}
