//! Frozen archives by both codecs, under the strictest lints.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub)]
#![deny(nonstandard_style, elided_lifetimes_in_paths, unused_qualifications)]

use doors::{FrozenArchive, door};
use rkyv::{Archive, Serialize};

/// A value.
#[derive(Debug, Archive, Serialize)]
pub struct Index {
    words: Vec<String>,
}

/// All ways in which one can come.
#[door]
pub trait Finder {
    /// Itself.
    fn own(&self, index: FrozenArchive<Index>, at: usize) -> String;
    /// Lent.
    fn lent(&self, index: &FrozenArchive<Index>, others: &[FrozenArchive<Index>]) -> usize;
    /// In others.
    fn among(
        &self,
        index: Option<FrozenArchive<Index, { 1 << 16 }>>,
        pairs: (u32, Vec<FrozenArchive<Index>>),
    ) -> Result<Vec<FrozenArchive<Index>>, u32>;
}

/// By rkyv.
#[door(codec = "rkyv")]
pub trait Archives {
    /// There and back.
    fn back(&self, text: &str, index: &FrozenArchive<Index>, number: u64) -> FrozenArchive<Index>;
    /// In a result.
    fn fallible(&self, index: FrozenArchive<Index>) -> Result<FrozenArchive<Index>, u32>;
}

struct Both;

impl Finder for Both {
    fn own(&self, index: FrozenArchive<Index>, at: usize) -> String {
        index.words[at].to_string()
    }

    fn lent(&self, index: &FrozenArchive<Index>, others: &[FrozenArchive<Index>]) -> usize {
        index.words.len() + others.len()
    }

    fn among(
        &self,
        index: Option<FrozenArchive<Index, { 1 << 16 }>>,
        (number, all): (u32, Vec<FrozenArchive<Index>>),
    ) -> Result<Vec<FrozenArchive<Index>>, u32> {
        match index {
            None => Err(number),
            Some(_) => Ok(all),
        }
    }
}

impl Archives for Both {
    fn back(&self, text: &str, index: &FrozenArchive<Index>, number: u64) -> FrozenArchive<Index> {
        assert_eq!((text, number), ("text", 7));
        index.clone()
    }

    fn fallible(&self, index: FrozenArchive<Index>) -> Result<FrozenArchive<Index>, u32> {
        if index.words.is_empty() { Err(3) } else { Ok(index) }
    }
}

fn index(words: &[&str]) -> Index {
    let words = words.iter().copied().map(String::from).collect();
    Index { words }
}

fn main() {
    let finder = FinderClient::from(FinderDoor::serve(Both).unwrap());
    let frozen = FrozenArchive::new(&index(&["a", "b"])).unwrap();
    assert_eq!(finder.own(frozen.clone(), 1).unwrap(), "b");
    assert_eq!(finder.lent(&frozen, &[frozen.clone()]).unwrap(), 3);
    let small = FrozenArchive::within(&index(&[])).unwrap();
    let back = finder.among(Some(small), (5, vec![frozen.clone(); 3])).unwrap();
    assert_eq!(back[2].words[0], "a");
    assert!(finder.among(None, (5, vec![])).is_err());

    let archives = ArchivesClient::from(ArchivesDoor::serve(Both).unwrap());
    assert_eq!(archives.back("text", &frozen, 7).unwrap().words.len(), 2);
    assert_eq!(archives.fallible(frozen).unwrap().words.len(), 2);
    let empty = FrozenArchive::new(&index(&[])).unwrap();
    assert!(archives.fallible(empty).is_err());
}
