//! Types of very many parts.

use std::fmt;
use std::sync::OnceLock;

use serde::de::{EnumAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::text;
use crate::typed::encode::Encoder;
use crate::typed::front::Front;
use crate::typed::reader::Reader;
use crate::typed::shape::Type;
use crate::typed::unclaimed::Unclaimed;
use crate::typed::values::Values;

#[test]
fn an_enumeration_may_have_very_many_variants() {
    /// As derived for fifteen hundred variants, each of which carries a number.
    struct Many;

    impl<'de> Deserialize<'de> for Many {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
            let names = NAMES.get_or_init(|| {
                let name = |at| -> &'static str { format!("V{at}").leak() };
                (0..1500).map(name).collect()
            });
            deserializer.deserialize_enum("Many", names, Self)
        }
    }

    impl<'de> Visitor<'de> for Many {
        type Value = Self;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one of many")
        }

        fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Self, A::Error> {
            let (_, variant) = data.variant::<u32>()?;
            variant.newtype_variant::<u8>().map(|_| self)
        }
    }

    let text = text::<Many>();
    assert!(text.ends_with(", V1498(u8), V1499(u8) }"));
    assert!(!text.contains('?'), "{text}");
}

macro_rules! deep {
    ($outer:ident $($inner:ident)+) => {
        deep! { @ $outer $($inner)+ }
        deep! { $($inner)+ }
    };
    ($last:ident) => {
        #[derive(Serialize, Deserialize)]
        struct $last {
            last: u8,
        }
    };
    (@ $outer:ident $next:ident $($inner:ident)*) => {
        #[derive(Serialize, Deserialize)]
        struct $outer {
            next: Option<$next>,
        }
    };
}

deep! {
    D00 D01 D02 D03 D04 D05 D06 D07 D08 D09 D10 D11 D12 D13 D14 D15 D16 D17 D18 D19
    D20 D21 D22 D23 D24 D25 D26 D27 D28 D29 D30 D31 D32 D33 D34 D35 D36 D37 D38 D39
    D40 D41 D42 D43 D44 D45 D46 D47 D48 D49 D50 D51 D52 D53 D54 D55 D56 D57 D58 D59
}

#[test]
fn types_nested_deep_are_described() {
    let text = text::<D00>();
    assert!(text.ends_with("; struct D59 { last: u8 }"), "{text}");
    let mut values = Values::default();
    values.argument::<D00>("deep");
    let mut bytes = Vec::new();
    let put = values.types().serialize(&mut Encoder::new(&mut bytes));
    put.unwrap();
    let taken = Reader::all(Front::None, &bytes, Unclaimed::default(), |reader| {
        reader.take::<Vec<Type>>("types")
    });
    assert_eq!(taken.unwrap(), values.types());
}
