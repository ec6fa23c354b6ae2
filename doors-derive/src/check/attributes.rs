//! What stands in the brackets: `#[door(version = "1.2")]`, `#[id(3)]`, `#[since("1.1")]`.

use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::{Attribute, LitInt, LitStr};

use super::Faults;
use crate::model::{Codec, Version};

/// The arguments of `#[door]`.
pub(super) struct Arguments {
    version: Option<Version>,
    codec: Option<Codec>,
}

impl Arguments {
    pub(super) fn read(tokens: &TokenStream, faults: &mut Faults) -> Self {
        let (mut version, mut codec) = (None, None);
        let parser = syn::meta::parser(|argument| {
            if argument.path.is_ident("codec") {
                if codec.is_some() {
                    return Err(argument.error("the codec is given already"));
                }
                codec = Some(read_codec(&argument.value()?.parse()?)?);
                return Ok(());
            }
            if !argument.path.is_ident("version") {
                return Err(argument.error(
                    "`#[door]` knows two arguments: `version = \"1.0\"` and `codec = \"rkyv\"`",
                ));
            }
            if version.is_some() {
                return Err(argument.error("the version is given already"));
            }
            version = Some(read_version(&argument.value()?.parse()?)?);
            Ok(())
        });
        if let Err(error) = parser.parse2(tokens.clone()) {
            faults.combine(error);
        }
        Self { version, codec }
    }

    pub(super) fn version(&self) -> Version {
        self.version.unwrap_or(Version { major: 1, minor: 0 })
    }

    pub(super) fn codec(&self) -> Codec {
        self.codec.unwrap_or_default()
    }
}

/// What is said of one method.
#[derive(Default)]
pub(super) struct OfMethod {
    pub(super) number: Option<(u16, proc_macro2::Span)>,
    pub(super) since: Option<Version>,
}

/// The attributes of a method alone that are ours: they are taken out before the trait is put back.
pub(crate) const OF_METHOD: [&str; 2] = ["id", "since"];

impl OfMethod {
    pub(super) fn read(attributes: &[Attribute], version: Version, faults: &mut Faults) -> Self {
        let mut found = Self::default();
        for attribute in attributes {
            if attribute.path().is_ident("id") {
                match attribute.parse_args_with(|input: syn::parse::ParseStream<'_>| {
                    let number: LitInt = input.parse()?;
                    read_number(&number).map(|value| (value, number.span()))
                }) {
                    Ok(_) if found.number.is_some() => {
                        faults.add(attribute, "the method has a number already");
                    }
                    Ok(number) => found.number = Some(number),
                    Err(error) => faults.combine(error),
                }
            } else if attribute.path().is_ident("since") {
                match attribute
                    .parse_args::<LitStr>()
                    .and_then(|text| Ok((read_version(&text)?, text)))
                {
                    Ok(_) if found.since.is_some() => {
                        faults.add(attribute, "the method says already since when it is there");
                    }
                    Ok((at, text)) if at.major != version.major || at.minor > version.minor => {
                        let message = format!(
                            "the interface has version {}.{}: a method cannot be there since {}",
                            version.major,
                            version.minor,
                            text.value()
                        );
                        faults.add(text, message);
                    }
                    Ok((at, _)) => found.since = Some(at),
                    Err(error) => faults.combine(error),
                }
            }
        }
        found
    }
}

fn read_codec(name: &LitStr) -> syn::Result<Codec> {
    match name.value().as_str() {
        "rkyv" => Ok(Codec::Rkyv),
        _ => Err(syn::Error::new(
            name.span(),
            "the codec beside the usual one is `\"rkyv\"`",
        )),
    }
}

fn read_number(number: &LitInt) -> syn::Result<u16> {
    let error = || syn::Error::new(number.span(), "a method's number is from 1 to 65535");
    match number.base10_parse() {
        Ok(0) | Err(_) => Err(error()),
        Ok(value) => Ok(value),
    }
}

fn read_version(text: &LitStr) -> syn::Result<Version> {
    let value = text.value();
    let parts = value.split_once('.').and_then(|(major, minor)| {
        Some(Version {
            major: digits(major)?,
            minor: digits(minor)?,
        })
    });
    parts.ok_or_else(|| {
        syn::Error::new(
            text.span(),
            "a version is two numbers up to 65535: `\"1.2\"`",
        )
    })
}

/// A number without a sign.
fn digits(text: &str) -> Option<u16> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}
