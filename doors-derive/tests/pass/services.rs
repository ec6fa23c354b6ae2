//! Traits that can be doors, under the strictest lints, with every name in their way that they could trip over.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub)]
#![deny(nonstandard_style, elided_lifetimes_in_paths, unused_qualifications)]

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use doors::{Client, door};
use serde::{Deserialize, Serialize};

/// Borrows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line<'a> {
    text: &'a str,
}

/// A public one, with names as the generated code's own.
#[door(version = "3.7")]
pub trait Names: Send {
    /// What every client has, and more.
    fn open(&self, value: u8, incoming: u8, options: u8) -> u8;
    /// Another.
    fn door(&self, door: u8, target: u8, deadline: u8, path: u8) -> u8;
    /// A third.
    #[since("3.7")]
    fn until(&self, arguments: u8, results: u8, answer: u8, values: u8) -> u8;
    /// A word of the language.
    fn r#type(&self, r#fn: u8) -> u8;
    /// With a body of its own.
    fn provided(&self) -> u8 {
        self.r#type(1)
    }
}

/// Methods called as what a client, or any value, has already.
#[door]
trait Common {
    fn clone(&self) -> u8;
    fn from(&self, from: u8) -> u8;
    fn fmt(&self, f: u8) -> u8;
    fn serialize(&self, serializer: u8) -> u8;
    fn target(&self, target: u8) -> u8;
    fn call(&self, call: u8) -> u8;
    fn drop(&self) -> u8;
    fn serve(&self, __implementor: &str, argument_0: u8, argument_1: u8) -> u8;
}

/// As the generated code's own.
#[door]
fn door_dispatch(incoming: u8) -> u8 {
    incoming
}

#[door]
trait Values {
    #[id(9)]
    fn borrowed(&self, line: Line<'_>, lines: &[Line<'_>], bytes: &[u8]) -> usize;
    #[id(65535)]
    fn descriptors(&self, file: BorrowedFd<'_>, maybe: Option<BorrowedFd<'_>>, more: &[File]) -> Vec<File>;
    #[id(1)]
    #[must_use]
    fn result(&self) -> Result<Option<File>, shadows::Result>;
}

mod shadows {
    #![expect(dead_code)]

    struct Ok;
    struct Err;
    struct Some;
    struct None;
    struct Option;
    struct String;
    struct Vec;
    struct Door;
    struct Client;
    struct Returned;

    /// An error with a name that is taken.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    pub(super) struct Result;

    #[doors::door]
    pub(super) trait Send {
        fn halve(&self, number: u32) -> std::result::Result<u32, u8>;
    }

    pub(super) struct Half;

    impl Send for Half {
        fn halve(&self, number: u32) -> std::result::Result<u32, u8> {
            if number % 2 == 0 {
                std::result::Result::Ok(number / 2)
            } else {
                std::result::Result::Err(1)
            }
        }
    }
}

struct Server;

impl Names for Server {
    fn open(&self, value: u8, incoming: u8, options: u8) -> u8 {
        value + incoming + options
    }

    fn door(&self, door: u8, target: u8, deadline: u8, path: u8) -> u8 {
        door + target + deadline + path
    }

    fn until(&self, arguments: u8, results: u8, answer: u8, values: u8) -> u8 {
        arguments + results + answer + values
    }

    fn r#type(&self, r#fn: u8) -> u8 {
        r#fn
    }
}

impl Common for Server {
    fn clone(&self) -> u8 {
        1
    }

    fn from(&self, from: u8) -> u8 {
        from
    }

    fn fmt(&self, f: u8) -> u8 {
        f
    }

    fn serialize(&self, serializer: u8) -> u8 {
        serializer
    }

    fn target(&self, target: u8) -> u8 {
        target
    }

    fn call(&self, call: u8) -> u8 {
        call
    }

    fn drop(&self) -> u8 {
        8
    }

    fn serve(&self, implementor: &str, argument_0: u8, argument_1: u8) -> u8 {
        argument_0 - argument_1 + u8::from(implementor.is_empty())
    }
}

impl Values for Server {
    fn borrowed(&self, line: Line<'_>, lines: &[Line<'_>], bytes: &[u8]) -> usize {
        line.text.len() + lines.len() + bytes.len()
    }

    fn descriptors(&self, _: BorrowedFd<'_>, maybe: Option<BorrowedFd<'_>>, more: &[File]) -> Vec<File> {
        let copies = more.iter().map(|file| file.try_clone().unwrap());
        copies.take(usize::from(maybe.is_some())).collect()
    }

    fn result(&self) -> Result<Option<File>, shadows::Result> {
        Ok(None)
    }
}

fn main() {
    let names = NamesClient::from(NamesDoor::serve(Server).unwrap());
    assert_eq!(names.open(1, 2, 3).unwrap(), 6);
    assert_eq!(names.door(1, 2, 3, 4).unwrap(), 10);
    assert_eq!(names.until(1, 2, 3, 4).unwrap(), 10);
    assert_eq!(names.r#type(1).unwrap(), 1);
    assert_eq!(names.provided().unwrap(), 1);
    let soon = std::time::Instant::now() + std::time::Duration::from_secs(60);
    assert_eq!(Client::until(&names, soon).r#type(1).unwrap(), 1);
    let _ = (Client::door(&names), NamesDoor::INTERFACE);

    let common: CommonClient = From::from(CommonDoor::serve(Server).unwrap());
    let copy = Clone::clone(&common);
    assert_eq!(copy.clone().unwrap() + copy.from(2).unwrap(), 3);
    assert_eq!(copy.fmt(4).unwrap() + copy.serialize(5).unwrap() + copy.target(6).unwrap(), 15);
    assert_eq!(copy.call(7).unwrap() + copy.drop().unwrap(), 15);
    assert_eq!(copy.serve("", 9, 1).unwrap(), 9);

    let client = DoorDispatchClient::from(door_dispatch::door().unwrap());
    assert_eq!(client.call(3).unwrap(), 3);

    let values = ValuesDoor::serve_object(Server).unwrap();
    let line = Line { text: "text" };
    assert_eq!(values.borrowed(line.clone(), &[line], b"ab").unwrap(), 7);
    let file = File::open("/dev/null").unwrap();
    let (fd, files) = (file.as_fd(), [file.try_clone().unwrap()]);
    assert_eq!(values.descriptors(fd, Some(fd), &files).unwrap().len(), 1);
    assert!(values.result().unwrap().is_none());

    let half = shadows::SendClient::from(shadows::SendDoor::serve(shadows::Half).unwrap());
    assert_eq!(half.halve(4).unwrap(), 2);
}
