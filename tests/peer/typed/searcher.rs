//! What is behind a finder.

use std::sync::Mutex;

use doors::FrozenArchive;
use rkyv::Archived;

use super::finder::{Case, Finder, FinderClient, Index, Looker};

/// Keeps an index at most.
#[derive(Debug, Default)]
pub(crate) struct Searcher(Mutex<Option<FrozenArchive<Index>>>);

fn look_up(index: &Archived<Index>, word: &str) -> Option<u64> {
    let found = index
        .words
        .binary_search_by(|other| other.as_str().cmp(word));
    let place = index.places.get(found.ok()?)?;
    Some(place.to_native())
}

impl Finder for Searcher {
    fn find(&self, index: &FrozenArchive<Index>, word: &str) -> Option<u64> {
        look_up(index, word)
    }

    fn forward(&self, to: FinderClient, index: FrozenArchive<Index>, word: &str) -> Option<u64> {
        to.find(&index, word).unwrap()
    }

    fn keep(&self, index: Option<FrozenArchive<Index>>) {
        *self.0.lock().unwrap() = index;
    }

    fn kept(&self) -> Option<FrozenArchive<Index>> {
        self.0.lock().unwrap().clone()
    }

    fn find_kept(&self, word: &str) -> Option<u64> {
        look_up(self.0.lock().unwrap().as_ref()?, word)
    }

    fn small(&self, index: FrozenArchive<Index, 65_536>) -> usize {
        index.words.len()
    }

    fn turn(&self, mut case: Case) -> Case {
        case.others.reverse();
        case.name = format!("{} {}", case.name, case.text.as_str());
        case
    }
}

impl Looker for Searcher {
    fn find(&self, word: &str, index: FrozenArchive<Index>) -> Result<FrozenArchive<Index>, u64> {
        match look_up(&index, word) {
            None => Err(u64::try_from(word.len()).unwrap()),
            Some(_) => Ok(index),
        }
    }
}
