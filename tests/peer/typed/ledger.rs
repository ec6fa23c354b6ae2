//! A service by rkyv, as both sides know it; and one of its name by the usual codec.

use doors::{Answer, Call, door};
use rkyv::{Archive, Archived, Deserialize, Serialize};

/// Something with parts of several kinds.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) amounts: Vec<u64>,
    pub(crate) note: Option<Note>,
}

#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub(crate) enum Note {
    Paid,
    Text(Vec<String>),
}

/// Why an entry is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub(crate) struct NoName {
    pub(crate) id: u64,
}

#[door(codec = "rkyv")]
pub(crate) trait Ledger {
    /// Reads the archive where it is.
    fn sum(&self, entry: &Archived<Entry>, name: &str, bytes: &[u8]) -> Option<u64>;
    /// Takes the value, and gives it back.
    fn keep(&self, entry: Entry) -> Result<Entry, NoName>;
}

/// Where a thread may run.
pub(crate) type Place = (i32, String);

/// Methods that ask for their call, answer otherwise than by their end, run where their caller does, or are not for everybody.
#[door(codec = "rkyv")]
pub(crate) trait Till {
    /// Which process calls, what it says, and whether it waits for ever.
    fn who(&self, entry: &Archived<Entry>, call: &Call<'_>, name: &str) -> (i32, u64, bool);
    /// Answered before the end.
    fn now(&self, entry: &Archived<Entry>, call: &Call<'_>) -> Answer<u64>;
    /// Answered by another thread.
    fn later(&self, entry: Entry, call: &Call<'_>) -> Answer<Result<Entry, NoName>>;
    #[leaf]
    fn near(&self, entry: &Archived<Entry>) -> Place;
    fn anywhere(&self, entry: Entry) -> Place;
    /// How many ran of those that are not for everybody.
    fn ran(&self) -> u32;
    #[allow_callers(me)]
    fn own(&self, entry: &Archived<Entry>) -> u32;
    #[allow_callers(uid = 51101)]
    fn closed(&self, entry: &Archived<Entry>) -> u32;
}

/// The same name and version, with values put another way.
pub(crate) mod usual {
    #[doors::door]
    pub(crate) trait Ledger {
        fn sum(&self, name: &str) -> Option<u64>;
    }
}
