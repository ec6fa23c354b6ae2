//! PROTOCOL.md compared with the code: its tables, its limits, its dump.

use std::fmt::Write;
use std::sync::Arc;

use super::layout::{Shape, WORDS_BYTES, call, reply};
use super::limits;
use super::message::Message;
use crate::channel::ends::{CallHead, ClientEnd, End, Presence, ReplyHead, ServerEnd};
use crate::channel::pair::Pair;
use crate::channel::small::{SmallCall, SmallReply};
use crate::server::meter::CLASSES;
use crate::sys::mapping::{Access, Mapping};
use crate::sys::memfd;

const PROTOCOL: &str = include_str!("../../../PROTOCOL.md");
const DUMP: &str = "## Golden dump";

/// What is dumped: a name, and the bytes.
type Entry = (String, Vec<u8>);

/// The fields of a sample: place 1 holds 11 12 13 ..., place 2 holds 21 22 23 ..., as far as they are long.
fn sample(place: u8) -> [u8; 16] {
    std::array::from_fn(|at| {
        let at = u8::try_from(at).unwrap();
        place.wrapping_shl(4).wrapping_add(at).wrapping_add(1)
    })
}

fn number<const BYTES: usize>(place: u8) -> [u8; BYTES] {
    *sample(place).first_chunk().unwrap()
}

fn packets() -> Vec<Entry> {
    let all = Message::one_of_each(&mut |place| sample(place));
    all.iter()
        .map(|message| {
            let (name, carries) = message.type_of();
            let payload: &[u8] = if carries { b"abc" } else { b"" };
            let mut bytes = message.encode(payload.len()).to_vec();
            bytes.extend_from_slice(payload);
            (name.to_owned(), bytes)
        })
        .collect()
}

/// The words of a channel in both windows, in the middle of a call: stored by the code that stores them in a real one,
/// read back from the memory itself. The processor numbers are set to zero.
fn words() -> Vec<Entry> {
    let shape = Shape::new(1, 4096).unwrap();
    let memory = || memfd::create(c"golden", shape.window_bytes()).unwrap();
    let (call_window, reply_window) = (memory(), memory());
    let map = |memory, access| Mapping::new(memory, shape.window_bytes(), access).unwrap();
    let pair = |ours, theirs| {
        Arc::new(Pair {
            number: 0,
            shape,
            ours: Arc::new(map(ours, Access::Write)),
            theirs: Arc::new(map(theirs, Access::Read)),
        })
    };
    let client = ClientEnd(End::new(pair(&call_window, &reply_window), 0).unwrap());
    let server = ServerEnd(End::new(pair(&reply_window, &call_window), 0).unwrap());
    let turn = u64::from_le_bytes(number(2));

    let head = CallHead {
        step: super::code::Move::Call.number(),
        generation: turn,
        registration: u64::from_le_bytes(number(3)),
        total: u64::from_le_bytes(number(4)),
        part: u32::from_le_bytes(number(5)),
        part_at: u32::from_le_bytes(number(8)),
        pair: u32::from_le_bytes(number(6)),
        descriptors: u32::from_le_bytes(number(7)),
        small: SmallCall::default(),
    };
    server.say_awake();
    assert_eq!(client.publish(&head, turn, 0), Presence::Awake);
    assert!(client.say_waiting(true, 0));
    assert_eq!(server.read(), head);
    assert!(server.take(turn));
    assert!(client.give_up(turn));
    let head = ReplyHead {
        answer: super::code::Answer::Returned.number(),
        generation: turn,
        total: u64::from_le_bytes(number(3)),
        part: u32::from_le_bytes(number(4)),
        part_at: u32::from_le_bytes(number(7)),
        descriptors: u32::from_le_bytes(number(5)),
        code: u32::from_le_bytes(number(6)),
        small: SmallReply::default(),
    };
    let _woke = server.publish(&head, turn, false);
    assert_eq!(client.read(), head);

    // What differs from run to run is set to zero.
    let image = |memory, moments: [usize; 2]| {
        let mut bytes = Vec::new();
        assert!(map(memory, Access::Read).load(0, WORDS_BYTES, &mut bytes));
        for at in moments {
            bytes[at..].first_chunk_mut::<4>().unwrap().fill(0);
        }
        bytes
    };
    vec![
        (
            "call words".to_owned(),
            image(&call_window, [call::CPU, call::WOKE_AT]),
        ),
        (
            "reply words".to_owned(),
            image(&reply_window, [reply::CPU, reply::WOKE_AT]),
        ),
    ]
}

/// One line for each 16 bytes; lines of nothing but zeroes are left out, except the last.
fn dump((name, bytes): &Entry) -> String {
    let mut text = format!("{name}\n");
    let mut chunks = (0..).step_by(16).zip(bytes.chunks(16)).peekable();
    while let Some((offset, chunk)) = chunks.next() {
        if chunks.peek().is_some() && chunk.iter().all(|byte| *byte == 0) {
            continue;
        }
        write!(text, "  {offset:04x} ").unwrap();
        for (at, byte) in chunk.iter().enumerate() {
            let gap = if at == 8 { "  " } else { " " };
            write!(text, "{gap}{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// The part of the document from this heading to the next one that is not below it.
fn section(heading: &str) -> Vec<&'static str> {
    let depth = heading.bytes().take_while(|byte| *byte == b'#').count();
    let begins = |line: &&str| {
        let marks = line.bytes().take_while(|byte| *byte == b'#').count();
        (1..=depth).contains(&marks)
    };
    PROTOCOL
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !begins(line))
        .collect()
}

/// The dump as it is written down: a name, then its indented lines.
fn written() -> Vec<(String, String)> {
    let mut entries: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in section(DUMP) {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && line.starts_with("  ") {
            let (_, text) = entries.last_mut().expect("a name before the first bytes");
            writeln!(text, "{line}").unwrap();
        } else if inside && !line.is_empty() {
            entries.push((line.to_owned(), format!("{line}\n")));
        }
    }
    entries
}

#[test]
fn the_dump_is_what_the_code_encodes() {
    let written = written();
    let mut wrong = String::new();
    let encoded: Vec<Entry> = packets().into_iter().chain(words()).collect();
    for entry in &encoded {
        let now = dump(entry);
        match written.iter().find(|(name, _)| *name == entry.0) {
            None => writeln!(wrong, "missing from PROTOCOL.md:\n{now}").unwrap(),
            Some((_, before)) if *before == now => {}
            Some((_, before)) => {
                writeln!(wrong, "PROTOCOL.md says:\n{before}the code says:\n{now}").unwrap();
            }
        }
    }
    for (name, text) in &written {
        if !encoded.iter().any(|(known, _)| known == name) {
            writeln!(wrong, "not in the code:\n{text}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_longest_description_fits_a_control_packet() {
    let all = Message::one_of_each(&mut |place| sample(place));
    let described = all.iter().find(|m| matches!(m, Message::Described { .. }));
    let payload = 8 * (CLASSES + limits::RUNNING_AGES);
    let packet = described.unwrap().encode(payload);
    assert!(packet.len() + payload <= limits::CONTROL_BYTES);
}

/// The cells of the rows of a table, without the head; code marks are taken off.
fn rows(section: &[&str]) -> Vec<Vec<String>> {
    let cells = |line: &&str| {
        let cells = line.trim_matches('|').split('|');
        cells
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect()
    };
    section
        .iter()
        .filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit())
        .map(cells)
        .collect()
}

#[test]
fn every_type_has_a_table_of_its_fields() {
    for (name, number, fields) in Message::TYPES {
        let heading = format!("### `{name}` = {number}");
        let found: Vec<(String, String, String)> = rows(&section(&heading))
            .iter()
            .map(|row| (row[0].clone(), row[1].clone(), row[2].clone()))
            .collect();
        let mut offset = 16;
        let mut expected = Vec::new();
        for (field, bytes) in *fields {
            expected.push((offset.to_string(), bytes.to_string(), (*field).to_owned()));
            offset += bytes;
        }
        assert_eq!(
            found, expected,
            "the table below `{heading}` (offset, size, field)"
        );
    }
}

#[test]
fn no_table_is_about_a_type_that_is_gone() {
    let known = |line: &str| {
        let heading = |(name, number, _): &(&str, u16, _)| format!("### `{name}` = {number}");
        Message::TYPES
            .iter()
            .any(|message| heading(message) == line)
    };
    for line in PROTOCOL.lines().filter(|line| line.starts_with("### `")) {
        assert!(known(line), "{line}");
    }
}

#[test]
fn every_word_has_its_row() {
    let call = [
        (call::TURN, 4, "TURN"),
        (call::MOVE, 4, "MOVE"),
        (call::GENERATION, 8, "GENERATION"),
        (call::REGISTRATION, 8, "REGISTRATION"),
        (call::TOTAL, 8, "TOTAL"),
        (call::PART, 4, "PART"),
        (call::PAIR, 4, "PAIR"),
        (call::DESCRIPTORS, 4, "DESCRIPTORS"),
        (call::CPU, 4, "CPU"),
        (call::SMALL, 16, "SMALL"),
        (call::PART_AT, 4, "PART_AT"),
        (call::WAITING, 4, "WAITING"),
        (call::ABANDONED, 8, "ABANDONED"),
        (call::WOKE_AT, 4, "WOKE_AT"),
    ];
    let reply = [
        (reply::TURN, 4, "TURN"),
        (reply::ANSWER, 4, "ANSWER"),
        (reply::GENERATION, 8, "GENERATION"),
        (reply::TOTAL, 8, "TOTAL"),
        (reply::PART, 4, "PART"),
        (reply::DESCRIPTORS, 4, "DESCRIPTORS"),
        (reply::CODE, 4, "CODE"),
        (reply::CPU, 4, "CPU"),
        (reply::SMALL, 24, "SMALL"),
        (reply::PART_AT, 4, "PART_AT"),
        (reply::PRESENCE, 4, "PRESENCE"),
        (reply::WOKE_AT, 4, "WOKE_AT"),
        (reply::TAKEN, 8, "TAKEN"),
    ];
    for (heading, words) in [
        ("### Words of the call window", call.as_slice()),
        ("### Words of the reply window", reply.as_slice()),
    ] {
        let found: Vec<(String, String, String)> = rows(&section(heading))
            .iter()
            .map(|row| (row[0].clone(), row[1].clone(), row[2].clone()))
            .collect();
        let expected: Vec<_> = words
            .iter()
            .map(|(offset, bytes, name)| (offset.to_string(), bytes.to_string(), (*name).into()))
            .collect();
        assert_eq!(found, expected, "the table below `{heading}`");
    }
}

#[test]
fn every_code_has_its_row() {
    let expected: Vec<(String, String)> = super::code::Failure::ALL
        .iter()
        .map(|code| (code.number().to_string(), format!("{code:?}")))
        .collect();
    let found: Vec<(String, String)> = rows(&section("### Failure codes"))
        .iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn the_limits_are_those_of_the_code() {
    let bytes = |count: usize| format!("{count} bytes");
    let expected = [
        (
            "PROTOCOL_DEADLINE",
            format!("{} s", limits::PROTOCOL_DEADLINE.as_secs()),
        ),
        ("PACKET_DATA_BYTES", bytes(limits::PACKET_DATA_BYTES)),
        ("CONTROL_BYTES", bytes(limits::CONTROL_BYTES)),
        ("RUNNING_AGES", limits::RUNNING_AGES.to_string()),
        ("DESCRIPTORS", limits::DESCRIPTORS.to_string()),
        ("FIRST_CHANNELS", limits::FIRST_CHANNELS.to_string()),
        ("SESSION_CHANNELS", limits::SESSION_CHANNELS.to_string()),
        ("AREA_BYTES", bytes(limits::AREA_BYTES)),
        ("LARGEST_AREA_BYTES", bytes(limits::LARGEST_AREA_BYTES)),
        ("GIVEN_BACK_BYTES", bytes(limits::GIVEN_BACK_BYTES)),
        ("USER_BYTES", bytes(limits::USER_BYTES)),
        (
            "USER_DESCRIPTORS_SHARE",
            format!("1/{} of `RLIMIT_NOFILE`", limits::USER_DESCRIPTORS_SHARE),
        ),
        ("USER_SILENT", limits::USER_SILENT.to_string()),
        (
            "SILENT_DEADLINE",
            format!("{} s", limits::SILENT_DEADLINE.as_secs()),
        ),
        ("USER_UNFINISHED", limits::USER_UNFINISHED.to_string()),
        ("PENDING_PAIRS", limits::PENDING_PAIRS.to_string()),
        (
            "LARGEST_CALL_BYTES",
            format!("{} bytes", limits::LARGEST_CALL_BYTES),
        ),
    ];
    let section = section("## Limits");
    for (name, value) in expected {
        let row = format!("| `{name}` | {value} |");
        assert!(
            section.iter().any(|line| line.starts_with(&row)),
            "no row `{row}`"
        );
    }
}
