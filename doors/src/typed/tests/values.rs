//! Values come back as they went, in the bytes that the page says.

use std::collections::HashMap;
use std::fmt::Debug;

use proptest::prelude::prop_assert_eq;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use super::{bytes, read};
use crate::typed::front::Front;
use crate::typed::reader::Reader;
use crate::typed::unclaimed::Unclaimed;
use crate::typed::writer::Writer;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Everything {
    Unit,
    Newtype(u128),
    Tuple(i8, f64, char),
    Struct {
        text: String,
        list: Vec<Option<(bool, ())>>,
        map: HashMap<String, i64>,
        next: Option<Box<Everything>>,
    },
}

fn assert_comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    assert_eq!(&read::<T>(&bytes(value)).unwrap(), value);
}

#[test]
fn values_of_every_kind_come_back() {
    let map = HashMap::from([("one".to_owned(), 1), ("minus".to_owned(), i64::MIN)]);
    assert_comes_back(&Everything::Struct {
        text: "ü".repeat(300),
        list: vec![None, Some((true, ()))],
        map,
        next: Some(Box::new(Everything::Tuple(-1, 0.5, 'x'))),
    });
    assert_comes_back(&Everything::Newtype(u128::MAX));
    assert_comes_back(&Everything::Unit);
    assert_comes_back(&vec![(); 1000]);
    assert_comes_back(&[[1_u8, 2], [3, 4]]);
}

#[test]
fn values_are_put_as_the_page_says() {
    assert_eq!(bytes(&0x0102_u16), [2, 1]);
    assert_eq!(bytes(&(-2_isize)), [&[0xfe][..], &[0xff; 7]].concat());
    assert_eq!(bytes(&(true, 'x')), [1, b'x', 0, 0, 0]);
    assert_eq!(bytes(&1.0_f64), 1.0_f64.to_le_bytes());
    assert_eq!(bytes("ab"), [2, 0, 0, 0, b'a', b'b']);
    assert_eq!(bytes(&[Some(7_u8), None].as_slice()), [2, 0, 0, 0, 1, 7, 0]);
    assert_eq!(bytes(&[7_u8, 8]), [7, 8]);
    assert_eq!(bytes(&((), [(); 3])), []);
    assert_eq!(
        bytes(&HashMap::from([(5_u8, "v")])),
        [1, 0, 0, 0, 5, 1, 0, 0, 0, b'v']
    );
    assert_eq!(
        bytes(&Everything::Tuple(-1, 0.0, 'a')),
        [&[2, 0, 0, 0, 0xff][..], &[0; 8], &[b'a', 0, 0, 0]].concat()
    );
}

#[test]
fn what_is_borrowed_points_into_the_data() {
    let (mut data, mut descriptors) = (Vec::new(), Vec::new());
    let mut writer = Writer::new(&mut data, &mut descriptors);
    writer.put("name", "Ada");
    writer.put_bytes("key", b"\xff\x00");
    assert_eq!(writer.failed(), None);
    let (name, key) = Reader::all(Front::None, &data, Unclaimed::default(), |reader| {
        Ok((reader.take::<&str>("name")?, reader.take::<&[u8]>("key")?))
    })
    .unwrap();
    assert_eq!((name, key), ("Ada", &b"\xff\x00"[..]));
    let within = data.as_ptr_range();
    assert!(within.contains(&name.as_ptr()) && within.contains(&key.as_ptr()));
}

#[test]
fn bytes_at_once_are_the_bytes_of_a_sequence() {
    let value = vec![0_u8, 127, 128, 255];
    let (mut data, mut descriptors) = (Vec::new(), Vec::new());
    Writer::new(&mut data, &mut descriptors).put_bytes("value", &value);
    assert_eq!(data, bytes(&value));
    let taken = Reader::all(Front::None, &data, Unclaimed::default(), |reader| {
        reader.take_bytes("value")
    });
    assert_eq!(taken, Ok(value));
}

/// Does not know how many elements it has.
struct Counting(u8);

impl Serialize for Counting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.0).filter(|_| true))
    }
}

#[test]
fn a_sequence_of_unknown_length_is_counted() {
    assert_eq!(bytes(&(9_u8, Counting(3))), [9, 3, 0, 0, 0, 0, 1, 2]);
    let back: (u8, Vec<u8>) = read(&bytes(&(9_u8, Counting(3)))).unwrap();
    assert_eq!(back, (9, vec![0, 1, 2]));
}

proptest::proptest! {
    #[test]
    fn whatever_is_read_can_be_put_and_read_again(data: Vec<u8>) {
        if let Ok(value) = read::<Vec<Everything>>(&data) {
            // By its text: a float may be no number, which equals nothing. Without maps, whose order is their own.
            if !format!("{value:?}").contains("map: {\"") {
                let again = read::<Vec<Everything>>(&bytes(&value)).unwrap();
                prop_assert_eq!(format!("{again:?}"), format!("{value:?}"));
            }
        }
    }
}
