//! A service that hands out descriptors, and doors of objects, as both sides know it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use doors::door;
use doors::typed::Fd;
use serde::{Deserialize, Serialize};

/// A value with descriptors in it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) name: String,
    pub(crate) main: Fd<OwnedFd>,
    pub(crate) more: BTreeMap<u8, Vec<Option<Fd<File>>>>,
}

#[door]
pub(crate) trait Library {
    /// A file with a text, to be read from its beginning.
    fn write(&self, text: &str) -> Result<File, String>;

    /// What is in files, each from its beginning.
    fn read(&self, first: File, second: Option<File>, rest: Vec<File>) -> Vec<String>;

    /// As `read`, of descriptors that stay with the caller.
    fn peek(
        &self,
        first: BorrowedFd<'_>,
        second: Option<BorrowedFd<'_>>,
        third: &File,
        rest: &[File],
    ) -> Vec<String>;

    /// The same, in another order.
    fn turn(&self, parcel: Parcel) -> Parcel;

    /// A connection whose other end says a word.
    fn connect(&self, word: &str) -> Option<UnixStream>;

    /// Counts from here on.
    fn count(&self, from: u64) -> Result<CounterClient, String>;

    /// So many counters at once.
    fn counters(&self, many: u32) -> Vec<CounterClient>;

    /// How many counters there are.
    fn live(&self) -> u64;

    /// Calls a counter of the caller's so many times; gives it back.
    fn drive(&self, counter: CounterClient, times: u32) -> Result<CounterClient, String>;
}

/// An object.
#[door]
pub(crate) trait Counter {
    fn next(&self) -> u64;
}

pub(crate) struct Count {
    at: Mutex<u64>,
    live: Arc<Mutex<u64>>,
}

impl Count {
    pub(crate) fn new(from: u64, live: &Arc<Mutex<u64>>) -> Self {
        let mut count = live.lock().unwrap();
        *count = count.saturating_add(1);
        drop(count);
        Self {
            at: Mutex::new(from),
            live: Arc::clone(live),
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        let mut count = self.live.lock().unwrap();
        *count = count.saturating_sub(1);
    }
}

impl Counter for Count {
    fn next(&self) -> u64 {
        let mut at = self.at.lock().unwrap();
        let now = *at;
        *at = now.wrapping_add(1);
        now
    }
}

/// What is in a file, from its beginning.
pub(crate) fn text_of(mut file: File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// A file with a text.
pub(crate) fn file_with(text: &str) -> File {
    let memory = nix::sys::memfd::memfd_create(c"text", nix::sys::memfd::MFdFlags::MFD_CLOEXEC);
    let mut file = File::from(memory.unwrap());
    file.write_all(text.as_bytes()).unwrap();
    file
}
