//! Archives without a call.

use proptest::prelude::{any, prop_assert, prop_assert_eq};
use rkyv::util::AlignedVec;
use rkyv::{Archive, Archived, Deserialize, Serialize};

use super::{ALIGNMENT, aligned, check, put};
use crate::typed::Malformed;
use crate::typed::error::Unreadable;
use crate::typed::front::Front;
use crate::typed::reader::Reader;
use crate::typed::unclaimed::Unclaimed;
use crate::typed::writer::Writer;

#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
struct Entry {
    id: u64,
    name: String,
    parts: Vec<Option<Part>>,
    wide: u128,
}

#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
enum Part {
    Empty,
    Text(String),
    Pair { flag: bool, letter: char },
}

/// A list: each element a level.
#[derive(Debug, Archive, Serialize, Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
struct List(#[rkyv(omit_bounds)] Option<Box<List>>);

/// A list of elements that are large.
#[derive(Archive, Serialize, Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
struct Pages<const PARTS: usize>(
    #[rkyv(omit_bounds)] Option<Box<Pages<PARTS>>>,
    [[u64; 32]; PARTS],
);

fn entry() -> Entry {
    let pair = Part::Pair {
        flag: true,
        letter: 'ü',
    };
    Entry {
        id: u64::MAX,
        name: "longer than what lies inside".to_owned(),
        parts: vec![
            None,
            Some(Part::Text("some more text than fits".to_owned())),
            Some(pair),
            Some(Part::Empty),
        ],
        wide: 7,
    }
}

/// A message that begins where archives may lie.
fn message(bytes: &[u8]) -> AlignedVec<ALIGNMENT> {
    let mut message = AlignedVec::new();
    message.extend_from_slice(bytes);
    message
}

fn put_entry(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, entry).unwrap();
    out
}

fn read<'data, T>(
    data: &'data [u8],
    take: impl FnOnce(&mut Reader<'data>) -> Result<T, Unreadable>,
) -> Result<T, Malformed> {
    Reader::all(Front::None, data, Unclaimed::default(), take)
        .map_err(|unreadable| unreadable.reason)
}

fn restored(data: &[u8]) -> Result<Entry, Malformed> {
    read(&message(data), |reader| reader.take_restored("entry"))
}

#[test]
fn values_come_back_and_archives_lie_in_the_message() {
    let (mut out, mut descriptors) = (Vec::new(), Vec::new());
    let mut writer = Writer::new(&mut out, &mut descriptors);
    writer.put_text_beside("text", "üx");
    writer.put_archived("entry", &entry());
    writer.put_bytes_beside("bytes", &[1, 2, 3]);
    writer.put_archived("nothing", &());
    writer.put_archived("again", &entry());
    assert_eq!(writer.failed(), None);
    assert!(out.len().is_multiple_of(ALIGNMENT));

    let message = message(&out);
    let within = message.as_ptr_range();
    read(&message, |reader| {
        let text = reader.take_text_beside("text")?;
        let archived = reader.take_archived::<Archived<Entry>>("entry")?;
        let name = archived.name.as_str();
        assert_eq!((text, name), ("üx", entry().name.as_str()));
        assert!(within.contains(&text.as_ptr()) && within.contains(&name.as_ptr()));
        assert_eq!(reader.take_bytes_beside("bytes")?, [1, 2, 3]);
        reader.take_restored::<()>("nothing")?;
        assert_eq!(reader.take_restored::<Entry>("again")?, entry());
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_item_is_as_the_page_says() {
    let mut out = Vec::new();
    put(&mut out, &0x0102_0304_u32).unwrap();
    let head = [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let item = [4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(out, [head, item].concat());
}

#[test]
fn what_is_cut_or_longer_is_refused() {
    let whole = put_entry(&entry());
    assert_eq!(restored(&whole), Ok(entry()));
    for len in 0..whole.len() {
        assert_eq!(restored(&whole[..len]), Err(Malformed::Short), "{len}");
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(restored(&longer), Err(Malformed::LeftOver));
    // A length that is not there; one that leaves out the root's end.
    let mut lies = whole.clone();
    lies[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(restored(&lies), Err(Malformed::Short));
    let mut lies = whole.clone();
    lies[0] -= 16;
    assert_eq!(
        restored(&lies[..whole.len() - 16]),
        Err(Malformed::BadValue)
    );
    // What should be zero.
    let mut lies = whole;
    lies[5] = 1;
    assert_eq!(restored(&lies), Err(Malformed::BadValue));
    let mut out = Vec::new();
    put(&mut out, &1_u32).unwrap();
    out[31] = 1;
    let taken = read(&message(&out), |reader| reader.take_restored::<u32>("a"));
    assert_eq!(taken, Err(Malformed::BadValue));
    let mut text = Vec::new();
    super::put_bytes(&mut text, b"\xff").unwrap();
    let text = message(&text);
    let taken = read(&text, |reader| reader.take_text_beside("a"));
    assert_eq!(taken, Err(Malformed::BadValue));
}

#[test]
fn pointers_that_leave_the_archive_are_refused() {
    let mut out = Vec::new();
    put(&mut out, &"x".repeat(32)).unwrap();
    let read = |bytes: &[u8]| {
        read(&message(bytes), |reader| {
            reader.take_restored::<String>("text")
        })
    };
    assert_eq!(read(&out), Ok("x".repeat(32)));
    // The text, its length, and how far it is from there.
    let distance = 16 + 32 + 4;
    for wild in [0, 1, -31, -33, 8, i32::MIN, i32::MAX] {
        let mut bytes = out.clone();
        bytes[distance..distance + 4].copy_from_slice(&i32::to_le_bytes(wild));
        assert_eq!(read(&bytes), Err(Malformed::BadValue), "{wild}");
    }
}

#[test]
fn an_archive_that_begins_elsewhere_is_refused_or_copied() {
    let whole = put_entry(&entry());
    for shift in 1..ALIGNMENT {
        let mut shifted = message(&vec![0; shift]);
        shifted.extend_from_slice(&whole);
        let content = &shifted[shift + 16..];
        assert!(check::<Archived<Entry>>(content).is_err(), "{shift}");
        let mut copy = AlignedVec::new();
        let data = aligned(&shifted[shift..], &mut copy);
        let taken = read(data, |reader| reader.take_restored::<Entry>("entry"));
        assert_eq!(taken, Ok(entry()), "{shift}");
    }
    let message = message(&whole);
    let mut copy = AlignedVec::new();
    assert_eq!(aligned(&message, &mut copy).as_ptr(), message.as_ptr());
}

#[test]
fn archives_nested_too_deep_are_refused_without_going_down() {
    let nested = |levels: usize| {
        let mut list = List(None);
        for _ in 0..levels {
            list = List(Some(Box::new(list)));
        }
        let mut out = Vec::new();
        put(&mut out, &list).unwrap();
        read(&message(&out), |reader| {
            reader
                .take_archived::<Archived<List>>("list")
                .map(|list| list.0.is_some())
        })
    };
    assert_eq!(nested(100), Ok(true));
    assert_eq!(nested(130), Err(Malformed::BadValue));
    assert_eq!(nested(3000), Err(Malformed::BadValue));
}

/// What becomes of so many pages of so many parts of 256 bytes on a stack; without a bound the process ends.
fn paged<const PARTS: usize>(pages: usize, stack: usize) -> Result<bool, Malformed> {
    let on_a_stack = |size| std::thread::Builder::new().stack_size(size);
    let put_all = move || {
        let mut list = Pages(None, [[0; 32]; PARTS]);
        for _ in 1..pages {
            list = Pages(Some(Box::new(list)), [[0; 32]; PARTS]);
        }
        let mut out = Vec::new();
        put(&mut out, &list).unwrap();
        out
    };
    let out = on_a_stack(256 << 20)
        .spawn(put_all)
        .unwrap()
        .join()
        .unwrap();
    let restored = on_a_stack(stack).spawn(move || {
        read(&message(&out), |reader| {
            let list = reader.take_restored::<Pages<PARTS>>("list")?;
            Ok(list.0.is_some())
        })
    });
    restored.unwrap().join().unwrap()
}

#[test]
fn large_values_nested_end_before_the_stack_does() {
    for stack in [1 << 20, 2 << 20, 8 << 20] {
        for pages in [60, 125] {
            assert_eq!(paged::<128>(pages, stack), Err(Malformed::BadValue));
            assert_eq!(paged::<64>(pages.max(70), stack), Err(Malformed::BadValue));
            let _either = paged::<8>(pages, stack);
            let _either = paged::<2>(pages, stack);
            let _either = paged::<1>(pages, stack);
        }
        assert_eq!(paged::<64>(3, stack), Ok(true));
        assert_eq!(paged::<1>(20, stack), Ok(true));
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_an_entry_or_refused(data: Vec<u8>) {
        let mut out = Vec::new();
        super::put_bytes(&mut out, &data).unwrap();
        let _either = restored(&out);
    }

    #[test]
    fn a_changed_archive_is_an_entry_or_refused(changes: Vec<(usize, u8)>, cut in any::<bool>()) {
        let mut bytes = put_entry(&entry());
        for (at, value) in changes {
            let at = at.checked_rem(bytes.len()).unwrap();
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(bytes.len().saturating_sub(ALIGNMENT));
        }
        if let Ok(read) = restored(&bytes) {
            // Whatever it is, it is a value like others.
            prop_assert_eq!(restored(&put_entry(&read)), Ok(read.clone()));
            prop_assert!(read.name.chars().count() <= bytes.len());
        }
    }
}
