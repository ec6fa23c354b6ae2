//! `doors call` and `doors info` of doors that lie about themselves.

use std::path::PathBuf;

use doors::{Attachment, Door, DoorAttributes, Invocation};
use harness::{Directory, Watchdog};

use super::command::{doors, line, out, status, text};

/// A text in the bytes of a value.
fn word(text: &str) -> Vec<u8> {
    let len = u32::try_from(text.len()).unwrap();
    [&len.to_le_bytes(), text.as_bytes()].concat()
}

fn number(number: u32) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

/// Shapes, by their numbers.
fn sequence(inner: &[u8]) -> Vec<u8> {
    [&number(2), inner].concat()
}

fn named(at: u32) -> Vec<u8> {
    [number(5), number(at)].concat()
}

/// A type without a name around a shape.
fn nameless(shape: &[u8]) -> Vec<u8> {
    [&number(2), shape].concat()
}

/// A structure with one field, which is nothing.
fn structure(name: &str, field: &str) -> Vec<u8> {
    let unit = [number(0), number(16)].concat();
    [number(0), word(name), number(1), word(field), unit].concat()
}

/// Of who may call.
const NOTHING_SAID: [u8; 1] = [0];

/// What a door says that has one method called `method`, with these types and this result.
fn description(name: &str, types: &[Vec<u8>], result: &[u8]) -> Vec<u8> {
    let count = number(u32::try_from(types.len()).unwrap());
    [
        word(name),
        vec![1, 0, 0, 0],
        word("Lies."),
        NOTHING_SAID.to_vec(),
        word(doors::typed::CODEC),
        number(1),
        vec![1, 0, 0, 0, 0, 0, 0],
        word("method"),
        word("fn method()"),
        word(""),
        // Nor since when it is there.
        NOTHING_SAID.to_vec(),
        NOTHING_SAID.to_vec(),
        count,
        types.concat(),
        number(0),
        result.to_vec(),
        vec![0],
    ]
    .concat()
}

struct Liar {
    _directory: Directory,
    path: PathBuf,
    _name: Attachment,
}

/// A door that says this of itself, and has this as its method's value.
fn liar(name: &str, description: Vec<u8>, value: Vec<u8>) -> Liar {
    let directory = Directory::new(name);
    let path = directory.join("door");
    let procedure = move |call: Invocation<'_>| {
        // The description has number 0.
        let asked = matches!(call.data(), [.., 0, 0, _, _, _, _, _, _]);
        let value = if asked { &description } else { &value };
        call.door_return(&[&value[..], &[1, 0x81]].concat(), vec![])
    };
    let door = Door::create(procedure, DoorAttributes::TYPED).unwrap();
    let attachment = door.attach(&path, 0o600).unwrap();
    Liar {
        _directory: directory,
        path,
        _name: attachment,
    }
}

impl Liar {
    /// What `doors call` complains of.
    fn complaint(&self) -> String {
        let output = doors(["call", text(&self.path), "method", "[]"]);
        // Neither a panic nor a signal.
        assert_eq!(status(&output), 6, "{output:?}");
        line(&output)
    }
}

#[test]
fn a_door_that_says_nonsense_of_itself_has_executed_nothing() {
    let _watchdog = Watchdog::new("a_door_that_says_nonsense_of_itself");
    let liar = liar("nonsense", vec![1, 2, 3], vec![]);
    let output = doors(["call", text(&liar.path), "method", "[]"]);
    assert_eq!(status(&output), 1, "{output:?}");
    let said = format!("cannot learn the methods of {}: ", liar.path.display());
    let line = line(&output);
    assert!(
        line.contains(&said) && line.contains("nothing was executed"),
        "{line}"
    );
}

#[test]
fn shapes_without_an_end_have_one() {
    let _watchdog = Watchdog::new("shapes_without_an_end_have_one");
    // A type that is itself, and one whose value of a few bytes is as deep as it is long.
    let itself = liar(
        "itself",
        description("Lies", &[nameless(&named(0))], &named(0)),
        vec![],
    );
    assert!(itself.complaint().contains("too deep"));
    let deep = liar(
        "deep",
        description("Lies", &[nameless(&sequence(&named(0)))], &named(0)),
        [1, 0, 0, 0].repeat(100_000),
    );
    assert!(deep.complaint().contains("too deep"));
    let unknown = liar("unknown", description("Lies", &[], &named(7)), vec![]);
    assert!(unknown.complaint().contains("does not describe"));
}

#[test]
fn names_are_not_copied_without_end() {
    let _watchdog = Watchdog::new("names_are_not_copied_without_end");
    // Sixty thousand elements without a byte, each of which would be a megabyte of JSON.
    let types = [structure("S", &"n".repeat(1 << 20))];
    let liar = liar(
        "names",
        description("Lies", &types, &sequence(&named(0))),
        number(60_000),
    );
    assert!(liar.complaint().contains("names are far longer"));
}

#[test]
fn what_a_door_says_of_itself_steers_no_terminal() {
    let _watchdog = Watchdog::new("what_a_door_says_of_itself_steers_no_terminal");
    let hostile = "Lies\n}\ninterface Bank";
    let description = description(hostile, &[structure("\x1b[2J", "\x07")], &named(0));
    let liar = liar("terminal", description, vec![1]);
    let output = doors(["info", text(&liar.path)]);
    assert_eq!(status(&output), 0, "{output:?}");
    let told = out(&output);
    assert!(
        told.contains(r"interface Lies\n}\ninterface Bank 1.0 {"),
        "{told}"
    );
    assert!(liar.complaint().contains("left over"));
}
