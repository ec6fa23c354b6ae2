//! Frozen archives inside values that have no place for them.

use doors::FrozenArchive;

#[doors::door(codec = "rkyv")]
trait Finder {
    fn whole(&self, own: FrozenArchive<u32>, lent: &FrozenArchive<u32>) -> FrozenArchive<u32>;
    fn fallible(&self) -> Result<FrozenArchive<u32>, u32>;
    fn perhaps(&self, index: Option<FrozenArchive<u32>>) -> Vec<FrozenArchive<u32>>;
    fn pair(&self, pair: (u32, FrozenArchive<u32>)) -> Result<Option<FrozenArchive<u32>>, u32>;
}

fn main() {}
