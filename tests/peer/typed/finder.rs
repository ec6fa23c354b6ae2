//! Services whose values are frozen archives, as both sides know them.

use doors::{FrozenArchive, door};
use rkyv::Archive;

/// Words in their order, and where each is.
#[derive(Clone, Debug, Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(crate) struct Index {
    pub(crate) words: Vec<String>,
    pub(crate) places: Vec<u64>,
}

/// Archives inside a value.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Case {
    pub(crate) first: Option<FrozenArchive<Index>>,
    pub(crate) others: Vec<(u8, FrozenArchive<Index>)>,
    pub(crate) text: FrozenArchive<String, 4096>,
    pub(crate) name: String,
}

#[door]
pub(crate) trait Finder {
    /// Looks a word up where the index lies.
    fn find(&self, index: &FrozenArchive<Index>, word: &str) -> Option<u64>;
    /// Has another server look it up.
    fn forward(&self, to: FinderClient, index: FrozenArchive<Index>, word: &str) -> Option<u64>;
    /// Keeps an index, in the place of the one that was there.
    fn keep(&self, index: Option<FrozenArchive<Index>>);
    /// The one that is kept.
    fn kept(&self) -> Option<FrozenArchive<Index>>;
    /// Looks a word up there.
    fn find_kept(&self, word: &str) -> Option<u64>;
    /// Takes small ones only.
    fn small(&self, index: FrozenArchive<Index, 65_536>) -> usize;
    /// Turns the others round.
    fn turn(&self, case: Case) -> Case;
}

#[door(codec = "rkyv")]
pub(crate) trait Looker {
    /// Looks a word up, and gives the index back.
    fn find(&self, word: &str, index: FrozenArchive<Index>) -> Result<FrozenArchive<Index>, u64>;
}

/// The same names and numbers, with a type of the same size.
pub(crate) mod other {
    use doors::{FrozenArchive, door};
    use rkyv::Archive;

    /// Not that.
    #[derive(Clone, Debug, Archive, rkyv::Serialize, rkyv::Deserialize)]
    pub(crate) struct Register {
        pub(crate) words: Vec<u64>,
        pub(crate) places: Vec<String>,
    }

    #[door]
    pub(crate) trait Finder {
        /// What is written is the same, and the archive is as large.
        fn find(&self, index: &FrozenArchive<Index>, word: &str) -> Option<u64>;
    }

    pub(crate) type Index = Register;
}
