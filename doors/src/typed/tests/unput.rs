//! Values that cannot be put, or would be read as others.

use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};

use super::opened;
use crate::typed::Outgoing;
use crate::typed::encode::{Encoder, Unwritable};
use crate::typed::frame::Results;
use crate::typed::writer::Writer;

struct Obstinate;

impl Serialize for Obstinate {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

#[derive(Serialize, Deserialize)]
struct Sparse {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u8>,
    second: [u8; 2],
}

/// Says that it has one element.
struct Liar(u8);

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements = serializer.serialize_seq(Some(1))?;
        (0..self.0).try_for_each(|element| elements.serialize_element(&element))?;
        elements.end()
    }
}

#[test]
fn a_value_that_would_be_read_as_another_is_not_put() {
    let put = |value: &dyn Fn(&mut Encoder<'_>) -> Result<(), Unwritable>| {
        value(&mut Encoder::new(&mut Vec::new()))
    };
    let sparse = |first| Sparse {
        first,
        second: [1, 2],
    };
    assert_eq!(put(&|out| sparse(Some(1)).serialize(out)), Ok(()));
    assert_eq!(
        put(&|out| sparse(None).serialize(out)),
        Err(Unwritable::Uneven)
    );
    assert_eq!(put(&|out| Liar(1).serialize(out)), Ok(()));
    for many in [0, 2] {
        assert_eq!(
            put(&|out| Liar(many).serialize(out)),
            Err(Unwritable::Uneven)
        );
    }
}

#[test]
fn a_value_that_cannot_be_put_is_reported() {
    let (mut out, mut descriptors) = (Vec::new(), Vec::new());
    let mut writer = Writer::new(&mut out, &mut descriptors);
    writer.put("good", &1_u8);
    writer.put("bad", &Obstinate);
    writer.put("after", &1_u8);
    assert_eq!(writer.failed(), Some(("bad", Unwritable::Itself)));

    Outgoing::new(&mut out, &mut Vec::new()).value(&Obstinate);
    assert_eq!(opened(&out), Ok(Results::ValueLost));
}
