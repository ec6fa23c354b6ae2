//! JSON into the bytes of a call's arguments, and files and doors into its descriptors.

use std::path::Path;

use doors::DoorDesc;
use doors::typed::{MethodDescription, Plain, Shape, Type, Variant};
use serde_json::{Map, Value};

use super::shapes::{Fields, Within};
use crate::call::descriptor;

/// A call that is put together.
#[derive(Debug, Default)]
pub(super) struct Put {
    pub(super) bytes: Vec<u8>,
    pub(super) descriptors: Vec<DoorDesc<'static>>,
}

/// So many variants are named.
const VARIANTS: usize = 20;

/// What is wrong, and with which part.
type Wrong = String;

impl Put {
    /// The arguments of a method: an object with their names, or an array in their order.
    pub(super) fn arguments(
        &mut self,
        method: &MethodDescription,
        given: &Value,
    ) -> Result<(), Wrong> {
        let (shapes, within) = (&method.arguments, Within::new(&method.types));
        match given {
            Value::Array(values) => {
                if values.len() != shapes.len() {
                    return Err(miscounted(shapes, values.len()));
                }
                shapes
                    .iter()
                    .zip(values)
                    .try_for_each(|((name, shape), value)| {
                        self.value(within, shape, value)
                            .map_err(|wrong| part(name, &wrong))
                    })
            }
            Value::Object(values) => self.fields(within, shapes, values),
            other => Err(format!(
                "the arguments are an object with their names, or an array: [{other}]"
            )),
        }
    }

    fn value(&mut self, within: Within<'_>, shape: &Shape, value: &Value) -> Result<(), Wrong> {
        if let Shape::Plain(plain) = shape {
            return self.plain(*plain, value);
        }
        let within = within.enter()?;
        match (shape, value) {
            (Shape::Option(_), Value::Null) => {
                self.bytes.push(0);
                Ok(())
            }
            (Shape::Option(inner), value) => {
                self.bytes.push(1);
                self.value(within, inner, value)
            }
            (Shape::Sequence(inner), Value::Array(values)) => {
                self.count(values.len())?;
                values.iter().enumerate().try_for_each(|(at, value)| {
                    self.value(within, inner, value)
                        .map_err(|wrong| part(&at.to_string(), &wrong))
                })
            }
            (Shape::Map(entry), Value::Object(values)) => {
                self.count(values.len())?;
                values.iter().try_for_each(|(key, value)| {
                    self.key(within, &entry.0, key)
                        .and_then(|()| self.value(within, &entry.1, value))
                        .map_err(|wrong| part(key, &wrong))
                })
            }
            (Shape::Tuple(parts), value) => self.tuple(within, parts, value),
            (Shape::Named(at), value) => {
                let refused = || expected(within, shape, value);
                match within.named(*at)? {
                    Type::Structure(_, fields) => self.structure(within, fields, value, &refused),
                    Type::Choice(_, variants) => self.choice(within, variants, value, &refused),
                    Type::Nameless(shape) => self.value(within, shape, value),
                    _ => Err(refused()),
                }
            }
            (Shape::Descriptor | Shape::Door(_) | Shape::FrozenArchive(_), Value::String(text)) => {
                let path = text
                    .strip_prefix('@')
                    .ok_or("a descriptor is given as \"@PATH\"")?;
                let given = descriptor(Path::new(path)).map_err(|failure| failure.text)?;
                self.descriptors.push(given);
                Ok(())
            }
            (Shape::Hidden, _) => {
                Err("the server does not know what its type looks like".to_owned())
            }
            (shape, value) => Err(expected(within, shape, value)),
        }
    }

    fn structure(
        &mut self,
        within: Within<'_>,
        fields: &[(String, Shape)],
        value: &Value,
        refused: &dyn Fn() -> Wrong,
    ) -> Result<(), Wrong> {
        match (Fields::of(fields), fields, value) {
            (Fields::None, _, Value::Null) => Ok(()),
            (Fields::One, [(_, only)], value) => self.value(within, only, value),
            (Fields::Numbered, fields, Value::Array(values)) if values.len() == fields.len() => {
                fields
                    .iter()
                    .zip(values)
                    .try_for_each(|((name, field), value)| {
                        self.value(within, field, value)
                            .map_err(|wrong| part(name, &wrong))
                    })
            }
            (Fields::Named, fields, Value::Object(values)) => self.fields(within, fields, values),
            _ => Err(refused()),
        }
    }

    fn plain(&mut self, plain: Plain, value: &Value) -> Result<(), Wrong> {
        let wrong = || expected(Within::new(&[]), &Shape::Plain(plain), value);
        // A number of 128 bits is given as a text where JSON has none for it.
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => String::new(),
        };
        macro_rules! number {
            ($($name:ident $type:ty)*) => {
                match plain {
                    $(Plain::$name => {
                        let number: $type = text.parse().map_err(|_| wrong())?;
                        self.bytes.extend_from_slice(&number.to_le_bytes());
                        Ok(())
                    })*
                    Plain::Bool => {
                        self.bytes.push(u8::from(value.as_bool().ok_or_else(wrong)?));
                        Ok(())
                    }
                    Plain::Char => {
                        let mut letters = text.chars();
                        let (Some(letter), None) = (letters.next(), letters.next()) else {
                            return Err(wrong());
                        };
                        self.bytes.extend_from_slice(&u32::from(letter).to_le_bytes());
                        Ok(())
                    }
                    Plain::Text => self.bytes_of(value.as_str().ok_or_else(wrong)?.as_bytes()),
                    Plain::Bytes => match value {
                        Value::String(text) => self.bytes_of(text.as_bytes()),
                        Value::Array(numbers) => {
                            let byte = |number: &Value| u8::try_from(number.as_u64()?).ok();
                            let bytes: Option<Vec<u8>> = numbers.iter().map(byte).collect();
                            self.bytes_of(&bytes.ok_or_else(wrong)?)
                        }
                        _ => Err(wrong()),
                    },
                    Plain::Unit => value.is_null().then_some(()).ok_or_else(wrong),
                }
            };
        }
        number! {
            I8 i8 I16 i16 I32 i32 I64 i64 I128 i128
            U8 u8 U16 u16 U32 u32 U64 u64 U128 u128
            F32 f32 F64 f64
        }
    }

    /// A key of an object: a text, or whatever it reads as.
    fn key(&mut self, within: Within<'_>, shape: &Shape, key: &str) -> Result<(), Wrong> {
        let text = Value::String(key.to_owned());
        match shape {
            Shape::Plain(_) => self.value(within, shape, &text),
            other => {
                let value = serde_json::from_str(key).unwrap_or(text);
                self.value(within, other, &value)
            }
        }
    }

    fn fields(
        &mut self,
        within: Within<'_>,
        fields: &[(String, Shape)],
        values: &Map<String, Value>,
    ) -> Result<(), Wrong> {
        let known = |name: &&String| fields.iter().any(|(field, _)| field == *name);
        if let Some(unknown) = values.keys().find(|name| !known(name)) {
            return Err(format!("there is no `{unknown}`"));
        }
        fields.iter().try_for_each(|(name, field)| {
            // What may be missing is null.
            let given = values.get(name).unwrap_or(&Value::Null);
            if given.is_null() && !values.contains_key(name) && !matches!(field, Shape::Option(_)) {
                return Err(format!("`{name}` is missing"));
            }
            self.value(within, field, given)
                .map_err(|wrong| part(name, &wrong))
        })
    }

    fn tuple(&mut self, within: Within<'_>, parts: &[Shape], value: &Value) -> Result<(), Wrong> {
        match value {
            Value::Array(values) if values.len() == parts.len() => parts
                .iter()
                .zip(values)
                .try_for_each(|(part, value)| self.value(within, part, value)),
            _ => Err(format!("an array of {} is wanted", parts.len())),
        }
    }

    /// A variant: its name, or an object with its name and what it carries.
    fn choice(
        &mut self,
        within: Within<'_>,
        variants: &[(String, Variant)],
        value: &Value,
        refused: &dyn Fn() -> Wrong,
    ) -> Result<(), Wrong> {
        let (name, carried) = match value {
            Value::String(name) => (name, &Value::Null),
            Value::Object(values) if values.len() == 1 => {
                values.iter().next().ok_or_else(refused)?
            }
            _ => return Err(refused()),
        };
        let at = variants.iter().position(|(known, _)| known == name);
        let at = at.ok_or_else(|| {
            let names = variants
                .iter()
                .map(|(name, _)| name.as_str())
                .take(VARIANTS);
            let names: Vec<_> = names.collect();
            let more = if variants.len() > VARIANTS {
                ", ..."
            } else {
                ""
            };
            format!(
                "there is no variant `{name}`; there are {}{more}",
                names.join(", ")
            )
        })?;
        self.count(at)?;
        let (_, variant) = variants.get(at).ok_or_else(refused)?;
        let put = match (variant, carried) {
            (Variant::Unit, Value::Null) => Ok(()),
            (Variant::Newtype(inner), value) => self.value(within, inner, value),
            (Variant::Tuple(parts), value) => self.tuple(within, parts, value),
            (Variant::Structure(fields), Value::Object(values)) => {
                self.fields(within, fields, values)
            }
            _ => Err("it does not carry that".to_owned()),
        };
        put.map_err(|wrong| part(name, &wrong))
    }

    fn bytes_of(&mut self, bytes: &[u8]) -> Result<(), Wrong> {
        self.count(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn count(&mut self, count: usize) -> Result<(), Wrong> {
        let count = u32::try_from(count).map_err(|_| "there is too much of it")?;
        self.bytes.extend_from_slice(&count.to_le_bytes());
        Ok(())
    }
}

/// Which arguments are missing, or how many are too many.
fn miscounted(shapes: &[(String, Shape)], given: usize) -> Wrong {
    match shapes.get(given..) {
        Some([(only, _)]) => format!("the argument `{only}` is missing"),
        Some(missing @ [_, ..]) => {
            let names: Vec<_> = missing
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            format!("the arguments {} are missing", names.join(", "))
        }
        _ => {
            let (has, s) = (shapes.len(), if shapes.len() == 1 { "" } else { "s" });
            format!("the method has {has} argument{s}, {given} are given")
        }
    }
}

/// Names the part in which something is wrong.
fn part(name: &str, wrong: &str) -> Wrong {
    match wrong.strip_prefix('`') {
        Some(inner) if inner.contains("`: ") => format!("`{name}.{inner}"),
        _ => format!("`{name}`: {wrong}"),
    }
}

fn expected(within: Within<'_>, shape: &Shape, value: &Value) -> Wrong {
    format!(
        "{} is wanted, {value} is given",
        shape.shown(within.types())
    )
}
