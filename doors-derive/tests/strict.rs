//! What `#[door]` writes, in a crate that takes everything for an error that clippy and the compiler can warn of.
#![deny(warnings, clippy::all, clippy::pedantic)]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub)]
#![deny(clippy::unwrap_used, clippy::panic, clippy::allow_attributes)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![deny(clippy::as_conversions)]

use std::fs::File;
use std::os::fd::BorrowedFd;

use doors::door;
use serde::{Deserialize, Serialize};

/// A record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its numbers.
    pub numbers: Vec<u64>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong;

/// Everything at once.
#[door(version = "2.1")]
pub trait Everything {
    /// Not there.
    #[cfg(windows)]
    #[id(1)]
    fn absent(&self, of: Nobody) -> Knows;

    /// By value.
    #[id(2)]
    fn by_value(&self, name: String, bytes: Vec<u8>, record: Record, flag: bool) -> Record;

    /// There.
    #[cfg(unix)]
    #[cfg(target_os = "linux")]
    #[id(3)]
    fn present(&self, record: &Record, all: &[Record], text: &str) -> Option<u8>;

    /// Not there either.
    #[cfg(windows)]
    #[id(4)]
    fn absent_too(&self) -> Result<Nobody, Knows>;

    /// Old.
    ///
    /// # Errors
    /// Always.
    #[deprecated(since = "2.0.0", note = "use `present`")]
    #[id(5)]
    fn old(&self) -> Result<Vec<u8>, Wrong>;

    /// Descriptors.
    ///
    /// # Errors
    /// Never.
    #[doc(alias = "descriptors")]
    #[expect(clippy::too_many_arguments, reason = "there are many")]
    #[id(6)]
    fn files(
        &self,
        one: BorrowedFd<'_>,
        two: Option<BorrowedFd<'_>>,
        three: &File,
        four: File,
        five: &[File],
        six: u8,
        seven: u8,
    ) -> Result<Option<File>, Wrong>;

    /// Nothing.
    #[id(7)]
    fn nothing(&self);
}

/// A function.
#[door]
#[deprecated]
#[must_use]
pub fn old_function(number: u32) -> u32 {
    number
}

/// With none of its methods.
#[door]
pub trait Empty {
    /// Not there.
    #[cfg(windows)]
    fn absent(&self, of: Nobody);
}

struct Server;

impl Empty for Server {}

impl Everything for Server {
    fn by_value(&self, name: String, bytes: Vec<u8>, record: Record, flag: bool) -> Record {
        let numbers = bytes.into_iter().map(u64::from).collect();
        if flag {
            Record { name, numbers }
        } else {
            record
        }
    }

    fn present(&self, record: &Record, all: &[Record], text: &str) -> Option<u8> {
        let number = all.contains(record).then_some(1);
        number.filter(|_| text.is_empty())
    }

    fn old(&self) -> Result<Vec<u8>, Wrong> {
        Err(Wrong)
    }

    fn files(
        &self,
        _: BorrowedFd<'_>,
        _: Option<BorrowedFd<'_>>,
        _: &File,
        four: File,
        _: &[File],
        _: u8,
        _: u8,
    ) -> Result<Option<File>, Wrong> {
        Ok(Some(four))
    }

    fn nothing(&self) {}
}

#[test]
fn methods_that_are_not_there_leave_the_others_as_they_are()
-> Result<(), Box<dyn std::error::Error>> {
    let client = EverythingClient::from(EverythingDoor::serve(Server)?);
    let methods = EverythingDoor::INTERFACE.methods().iter();
    let numbers: Vec<u16> = methods.map(doors::typed::Method::number).collect();
    assert_eq!(numbers, [2, 3, 5, 6, 7]);
    let record = Record::default();
    let made = client.by_value("name".to_owned(), vec![1], record.clone(), true)?;
    assert_eq!(
        (made.name.as_str(), made.numbers.as_slice()),
        ("name", &[1][..])
    );
    assert_eq!(
        client.present(&record, std::slice::from_ref(&record), "")?,
        Some(1)
    );
    #[expect(deprecated, reason = "that it is, is what is tested")]
    let old = client.old();
    assert!(matches!(old, Err(doors::ProcedureError::Returned(Wrong))));
    client.nothing()?;

    let empty = EmptyClient::from(EmptyDoor::serve(Server)?);
    assert!(EmptyDoor::INTERFACE.methods().is_empty());
    assert!(!empty.door().label().to_string().is_empty());
    let function = OldFunctionClient::from(old_function::door()?);
    #[expect(deprecated, reason = "it is, as the function")]
    let seven = function.call(7)?;
    assert_eq!(seven, 7);
    Ok(())
}
