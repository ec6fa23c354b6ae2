//! What a caller is told by a server of another interface.

use super::{ADD, METHODS, method, opened};
use crate::typed::error::{Malformed, Refused, Unreadable};
use crate::typed::frame::{self, Results, Unfit};
use crate::typed::interface::{Interface, Method, Version};

/// What a caller of `add` is told by a server of another interface.
fn refused(name: &'static str, version: Version, methods: &'static [Method]) -> Refused {
    let theirs = Interface::new(name, version, methods);
    let mut results = Vec::new();
    frame::put_unfit(&Unfit::Method { number: 1 }, &theirs, &mut results);
    match opened(&results) {
        Ok(Results::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_refusal_says_what_both_sides_have() {
    static OLDER: [Method; 1] = [method("fn add(a: u16, b: u16) -> u16")];
    static OTHER: [Method; 0] = [];
    assert_eq!(
        refused("Sums", Version::new(1, 2), &OLDER),
        Refused::OtherSignature {
            theirs: OLDER[0].signature().to_owned(),
            ours: METHODS[0].signature(),
        }
    );
    assert_eq!(
        refused("Sums", Version::new(1, 0), &OTHER),
        Refused::Unsupported {
            method: "add",
            theirs: Version::new(1, 0),
            ours: Version::new(1, 2),
        }
    );
    for (name, version) in [("Sums", Version::new(2, 0)), ("Sum", Version::new(1, 2))] {
        let theirs = format!("{name} {version}");
        assert_eq!(
            refused(name, version, &OLDER),
            Refused::OtherInterface {
                theirs,
                ours: "Sums 1.2".to_owned(),
            }
        );
    }

    let mut results = Vec::new();
    let unreadable = Unreadable::new("b", Malformed::TooDeep);
    frame::put_unfit(&Unfit::Argument(unreadable), &ADD, &mut results);
    let refused = Refused::BadArgument {
        name: "b".to_owned(),
        reason: Malformed::TooDeep,
    };
    assert_eq!(opened(&results), Ok(Results::Refused(refused)));

    // A server of version 3.
    let refused = Refused::OtherLayout { theirs: 3, ours: 1 };
    assert_eq!(opened(&[9, 9, 3, 0x83]), Ok(Results::Refused(refused)));
}

#[test]
fn the_text_of_a_server_is_cut_and_escaped() {
    let mut results = vec![0, 0, 0, 0, 0x00, 0xf0];
    results.extend_from_slice(b"\x1b[2J\xff");
    results.resize(1 << 20, b'x');
    results.extend_from_slice(&[4, 0x81]);
    let Ok(Results::Refused(Refused::OtherInterface { theirs, .. })) = opened(&results) else {
        panic!("not refused");
    };
    assert!(theirs.len() < 2048 && !theirs.contains('\x1b'), "{theirs}");
}
