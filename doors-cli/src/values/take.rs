//! The bytes of a result into JSON.

use std::os::fd::{AsRawFd, OwnedFd};

use doors::Reply;
use doors::typed::{Plain, Shape, Type, Variant};
use serde_json::{Map, Value};

use super::shapes::{Fields, Within};
use crate::printable;

/// So many values may take no byte at all; each byte may stand for two, such as a structure and its only field.
const EMPTY_ELEMENTS: usize = 65_536;

/// Names may take so many bytes for each byte of the result, and so many in any case.
const NAMES: usize = 256;
const FEW_NAMES: usize = 16 << 20;

/// What is left of a result.
#[derive(Debug)]
pub(super) struct Take<'r> {
    rest: &'r [u8],
    descriptors: std::slice::Iter<'r, OwnedFd>,
    elements: usize,
    /// Bytes that the names of fields and variants may still take.
    names: usize,
}

const UNKNOWN: &str = "the server does not know what its type looks like";

impl<'r> Take<'r> {
    pub(super) fn of(reply: &'r Reply) -> Self {
        Self {
            rest: &reply.data,
            descriptors: reply.descriptors.iter(),
            elements: reply
                .data
                .len()
                .saturating_mul(2)
                .saturating_add(EMPTY_ELEMENTS),
            names: reply
                .data
                .len()
                .saturating_mul(NAMES)
                .saturating_add(FEW_NAMES),
        }
    }

    /// The value, which is all that there is.
    pub(super) fn all(mut self, types: &[Type], shape: &Shape) -> Result<Value, String> {
        let value = self.value(Within::new(types), shape)?;
        if self.rest.is_empty() {
            Ok(value)
        } else {
            Err("bytes are left over".to_owned())
        }
    }

    fn value(&mut self, within: Within<'_>, shape: &Shape) -> Result<Value, String> {
        // One for each value, also for those without a byte: of a small answer nobody makes a large one.
        let left = self.elements.checked_sub(1);
        self.elements = left.ok_or("there are more values than the bytes can hold")?;
        if let Shape::Plain(plain) = shape {
            return self.plain(*plain);
        }
        let within = within.enter()?;
        match shape {
            Shape::Option(inner) => match self.fixed()? {
                [0] => Ok(Value::Null),
                [1] => self.value(within, inner),
                _ => Err("an option is neither there nor not".to_owned()),
            },
            Shape::Sequence(inner) => {
                let many = self.many()?;
                (0..many).map(|_| self.value(within, inner)).collect()
            }
            Shape::Map(entry) => {
                let many = self.many()?;
                let mut values = Map::new();
                for _ in 0..many {
                    let key = match self.value(within, &entry.0)? {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    values.insert(key, self.value(within, &entry.1)?);
                }
                Ok(Value::Object(values))
            }
            Shape::Tuple(parts) => parts.iter().map(|part| self.value(within, part)).collect(),
            Shape::Named(at) => match within.named(*at)? {
                Type::Structure(_, fields) => self.structure(within, fields),
                Type::Choice(_, variants) => self.choice(within, variants),
                Type::Nameless(shape) => self.value(within, shape),
                _ => Err(UNKNOWN.to_owned()),
            },
            Shape::Door(interface) => {
                self.descriptors.next().ok_or("a door is missing")?;
                let of = if interface.is_empty() { "" } else { " of " };
                let interface = printable::line(interface);
                // This process, which is about to end, holds the only reference to a door that was made for it.
                Ok(Value::String(format!(
                    "a door{of}{interface} (ended with this call)"
                )))
            }
            Shape::Descriptor | Shape::FrozenArchive(_) => {
                let descriptor = self.descriptors.next().ok_or("a descriptor is missing")?;
                let link = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
                let what = std::fs::read_link(link)
                    .map_or_else(|_| "unknown".to_owned(), |what| what.display().to_string());
                Ok(Value::String(format!("@{what}")))
            }
            _ => Err(UNKNOWN.to_owned()),
        }
    }

    fn structure(
        &mut self,
        within: Within<'_>,
        fields: &[(String, Shape)],
    ) -> Result<Value, String> {
        match (Fields::of(fields), fields) {
            (Fields::None, _) => Ok(Value::Null),
            (Fields::One, [(_, only)]) => self.value(within, only),
            (Fields::Numbered, fields) => fields
                .iter()
                .map(|(_, field)| self.value(within, field))
                .collect(),
            (_, fields) => self.fields(within, fields),
        }
    }

    fn choice(
        &mut self,
        within: Within<'_>,
        variants: &[(String, Variant)],
    ) -> Result<Value, String> {
        let at = usize::try_from(u32::from_le_bytes(self.fixed()?));
        let variant = at.ok().and_then(|at| variants.get(at));
        let (name, variant) = variant.ok_or("there is no such variant")?;
        let name = self.name(name)?;
        let carried = match variant {
            Variant::Unit => return Ok(Value::String(name)),
            Variant::Newtype(inner) => self.value(within, inner)?,
            Variant::Tuple(parts) => parts
                .iter()
                .map(|part| self.value(within, part))
                .collect::<Result<Value, String>>()?,
            Variant::Structure(fields) => self.fields(within, fields)?,
        };
        Ok(Value::Object(Map::from_iter([(name, carried)])))
    }

    /// A copy of a name, which the bytes do not have.
    fn name(&mut self, name: &str) -> Result<String, String> {
        let left = self.names.checked_sub(name.len());
        self.names = left.ok_or("the names are far longer than the values")?;
        Ok(name.to_owned())
    }

    fn plain(&mut self, plain: Plain) -> Result<Value, String> {
        macro_rules! number {
            ($type:ty) => {
                <$type>::from_le_bytes(self.fixed()?).into()
            };
        }
        Ok(match plain {
            Plain::Bool => match self.fixed()? {
                [0] => false.into(),
                [1] => true.into(),
                _ => return Err("a bool is neither true nor false".to_owned()),
            },
            Plain::I8 => number!(i8),
            Plain::I16 => number!(i16),
            Plain::I32 => number!(i32),
            Plain::I64 => number!(i64),
            Plain::U8 => number!(u8),
            Plain::U16 => number!(u16),
            Plain::U32 => number!(u32),
            Plain::U64 => number!(u64),
            Plain::F32 => number!(f32),
            Plain::F64 => number!(f64),
            // JSON has no numbers of this size.
            Plain::I128 => i128::from_le_bytes(self.fixed()?).to_string().into(),
            Plain::U128 => u128::from_le_bytes(self.fixed()?).to_string().into(),
            Plain::Char => {
                let letter = char::from_u32(u32::from_le_bytes(self.fixed()?));
                letter.ok_or("a letter is none")?.to_string().into()
            }
            Plain::Text => {
                let text = std::str::from_utf8(self.bytes()?);
                text.map_err(|_| "a text is no UTF-8")?.into()
            }
            Plain::Bytes => {
                let bytes = self.bytes()?;
                std::str::from_utf8(bytes).map_or_else(|_| bytes.into(), Value::from)
            }
            Plain::Unit => Value::Null,
        })
    }

    fn fields(&mut self, within: Within<'_>, fields: &[(String, Shape)]) -> Result<Value, String> {
        let values: Result<Map<String, Value>, String> = fields
            .iter()
            .map(|(name, field)| Ok((self.name(name)?, self.value(within, field)?)))
            .collect();
        values.map(Value::Object)
    }

    /// The number of elements; never more than there can be.
    fn many(&mut self) -> Result<usize, String> {
        let many = usize::try_from(u32::from_le_bytes(self.fixed()?));
        let many = many.map_err(|error| error.to_string())?;
        if many > self.elements {
            return Err("there are more elements than the bytes can hold".to_owned());
        }
        Ok(many)
    }

    fn bytes(&mut self) -> Result<&'r [u8], String> {
        let len = usize::try_from(u32::from_le_bytes(self.fixed()?));
        let len = len.map_err(|error| error.to_string())?;
        let split = self.rest.split_at_checked(len);
        let (bytes, rest) = split.ok_or("the bytes end within a value")?;
        self.rest = rest;
        Ok(bytes)
    }

    fn fixed<const LEN: usize>(&mut self) -> Result<[u8; LEN], String> {
        let split = self.rest.split_first_chunk();
        let (bytes, rest) = split.ok_or("the bytes end within a value")?;
        self.rest = rest;
        Ok(*bytes)
    }
}
