//! A service with several methods, as several versions of its program know it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use doors::door;
use serde::{Deserialize, Serialize};

/// The service's own error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoreError {
    /// There is nothing under the key.
    Nothing { key: String },
    /// The value is larger than the store takes.
    TooLarge(usize),
}

/// Values under keys.
#[door(version = "1.1")]
pub(crate) trait Store {
    /// Keeps a value; says whether there was one already.
    fn put(&self, key: &str, value: &[u8]) -> Result<bool, StoreError>;

    /// The value under a key.
    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError>;

    /// How many bytes the values under these keys have together.
    fn size(&self, keys: &[String]) -> usize;

    /// Forgets all.
    fn clear(&self);

    /// Named as a function that every client has.
    #[since("1.1")]
    fn open(&self, key: Option<&str>) -> bool;

    /// Whether a value is as long as that.
    #[since("1.1")]
    fn fits(&self, part: Part) -> bool;
}

/// A value by its length.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    key: String,
    len: usize,
}

/// Keeps them in memory.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    values: Mutex<BTreeMap<String, Vec<u8>>>,
}

const LARGEST: usize = 4 << 20;

impl Store for Arc<Shelf> {
    fn put(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        if value.len() > LARGEST {
            return Err(StoreError::TooLarge(LARGEST));
        }
        let before = self
            .values
            .lock()
            .unwrap()
            .insert(key.to_owned(), value.to_owned());
        Ok(before.is_some())
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        let nothing = || StoreError::Nothing {
            key: key.to_owned(),
        };
        let values = self.values.lock().unwrap();
        values.get(key).cloned().ok_or_else(nothing)
    }

    fn size(&self, keys: &[String]) -> usize {
        let values = self.values.lock().unwrap();
        keys.iter()
            .filter_map(|key| values.get(key))
            .map(Vec::len)
            .sum()
    }

    fn clear(&self) {
        self.values.lock().unwrap().clear();
    }

    fn open(&self, key: Option<&str>) -> bool {
        key.is_some_and(|key| self.values.lock().unwrap().contains_key(key))
    }

    fn fits(&self, part: Part) -> bool {
        let values = self.values.lock().unwrap();
        values.get(&part.key).map(Vec::len) == Some(part.len)
    }
}

/// A later minor version: its methods have other numbers than their places, one is new.
pub(crate) mod later {
    use super::{Shelf, StoreError};

    #[doors::door(version = "1.2")]
    pub(crate) trait Store {
        #[id(7)]
        #[since("1.2")]
        fn keys(&self) -> Vec<String>;

        #[id(2)]
        fn get(&self, key: &str) -> Result<Vec<u8>, StoreError>;

        /// Its argument is another one now, against the rule.
        #[id(4)]
        fn clear(&self, key: &str);

        /// The same words, and another type behind one of them.
        #[id(6)]
        fn fits(&self, part: Part) -> bool;

        /// New, and with a descriptor, which no method of the earlier version takes.
        #[id(8)]
        #[since("1.2")]
        fn load(&self, from: std::fs::File) -> u64;
    }

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Part {
        pub(crate) key: String,
        pub(crate) length: usize,
    }

    impl Store for std::sync::Arc<Shelf> {
        fn keys(&self) -> Vec<String> {
            self.values.lock().unwrap().keys().cloned().collect()
        }

        fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
            super::Store::get(self, key)
        }

        fn clear(&self, key: &str) {
            self.values.lock().unwrap().remove(key);
        }

        fn fits(&self, part: Part) -> bool {
            let values = self.values.lock().unwrap();
            values.get(&part.key).map(Vec::len) == Some(part.length)
        }

        fn load(&self, from: std::fs::File) -> u64 {
            from.metadata().unwrap().len()
        }
    }
}

/// The next major version.
pub(crate) mod next {
    use super::{Shelf, StoreError};

    #[doors::door(version = "2.0")]
    pub(crate) trait Store {
        fn put(&self, key: &str, value: &[u8]) -> Result<bool, StoreError>;
    }

    impl Store for std::sync::Arc<Shelf> {
        fn put(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
            super::Store::put(self, key, value)
        }
    }
}
