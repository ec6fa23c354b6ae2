//! What both sides of a typed door must agree on.

use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::allowed::Allowed;
use super::look::lacked;
use super::values::{Inside, Values};

/// The name of the default encoding of values. Its name is part of every tag: the same types over another one are another interface.
pub const CODEC: &str = "fixed 1";

/// An interface, as a program was compiled with it: a name, a version and numbered methods.
///
/// What travels with a call is the number of its method and that method's [tag](Method::tag). So what two programs have
/// to agree on is the method that is called, and nothing else: methods that only one of them has do not matter.
#[derive(Debug)]
pub struct Interface {
    name: &'static str,
    version: Version,
    methods: &'static [Method],
    docs: &'static str,
    allowed: Option<&'static [Allowed]>,
    codec: &'static str,
    /// Its messages have archives.
    #[cfg(feature = "rkyv")]
    pub(super) archives: bool,
    takes_descriptors: OnceLock<bool>,
    /// The answer to whoever asks for it.
    pub(super) description: OnceLock<Vec<u8>>,
}

/// The version of an interface.
///
/// Whoever takes a method away or changes it raises the first number; whoever adds one raises the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// Interfaces that differ in it have nothing to do with each other.
    pub major: u16,
    /// The larger one has more methods.
    pub minor: u16,
}

/// A method of an interface.
#[derive(Debug)]
pub struct Method {
    number: u16,
    name: &'static str,
    signature: &'static str,
    docs: &'static str,
    since: Option<Version>,
    allowed: Option<&'static [Allowed]>,
    leaf: bool,
    values: fn(&mut Values),
    codec: &'static str,
    /// Of all but the codec and the values.
    begun: Tag,
    known: OnceLock<Known>,
}

/// What is found out about a method once.
#[derive(Clone, Copy, Debug)]
struct Known {
    tag: [u8; TAG_BYTES],
    inside: Inside,
}

impl Interface {
    /// The interface with these methods.
    #[must_use]
    pub const fn new(name: &'static str, version: Version, methods: &'static [Method]) -> Self {
        Self {
            name,
            version,
            methods,
            docs: "",
            allowed: None,
            codec: CODEC,
            #[cfg(feature = "rkyv")]
            archives: false,
            takes_descriptors: OnceLock::new(),
            description: OnceLock::new(),
        }
    }

    /// The same, with what is written above it.
    #[must_use]
    pub const fn described(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// The same over another encoding, which its methods have too: there is that of archives.
    #[must_use]
    pub const fn encoded(mut self, codec: &'static str) -> Self {
        self.codec = codec;
        #[cfg(feature = "rkyv")]
        {
            self.archives = true;
        }
        self
    }

    /// How its values are put into bytes: [`CODEC`] as a rule.
    #[must_use]
    pub const fn codec(&self) -> &'static str {
        self.codec
    }

    /// What is written above it.
    #[must_use]
    pub const fn docs(&self) -> &'static str {
        self.docs
    }

    /// The same, for these callers only, but for methods that name their own.
    #[must_use]
    pub const fn allowing(mut self, callers: &'static [Allowed]) -> Self {
        self.allowed = Some(callers);
        self
    }

    pub(super) fn allowed(&self) -> Option<&'static [Allowed]> {
        self.allowed
    }

    /// Its name: that of the trait, or of the function.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Its methods, in the order of the source.
    #[must_use]
    pub const fn methods(&self) -> &'static [Method] {
        self.methods
    }

    /// Whether descriptors can come with a call.
    pub(super) fn takes_descriptors(&self) -> bool {
        *self.takes_descriptors.get_or_init(|| {
            self.methods
                .iter()
                .any(|method| method.values().take_descriptors())
        })
    }

    /// The method with a number.
    #[must_use]
    pub fn method(&self, number: u16) -> Option<&'static Method> {
        self.methods.iter().find(|method| method.number == number)
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

impl Version {
    /// The version of an interface that does not say any.
    pub const FIRST: Self = Self::new(1, 0);

    /// `major.minor`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Method {
    /// A method of the interface with this name and version.
    #[must_use]
    pub const fn new(
        interface: &str,
        version: Version,
        number: u16,
        name: &'static str,
        signature: &'static str,
        values: fn(&mut Values),
    ) -> Self {
        let [high, low] = version.major.to_le_bytes();
        let begun = Tag::BEGIN
            .text(interface)
            .byte(high)
            .byte(low)
            .text(signature);
        Self {
            number,
            name,
            signature,
            docs: "",
            since: None,
            allowed: None,
            leaf: false,
            values,
            codec: CODEC,
            begun,
            known: OnceLock::new(),
        }
    }

    /// The same, with what is written above it.
    #[must_use]
    pub const fn described(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// What is written above it.
    #[must_use]
    pub const fn docs(&self) -> &'static str {
        self.docs
    }

    /// The same, as one that the interface has from this version on.
    #[must_use]
    pub const fn added(mut self, version: Version) -> Self {
        self.since = Some(version);
        self
    }

    /// The version from which on the interface has it, where the source says so.
    #[must_use]
    pub const fn since(&self) -> Option<Version> {
        self.since
    }

    /// The same, for these callers only.
    #[must_use]
    pub const fn allowing(mut self, callers: &'static [Allowed]) -> Self {
        self.allowed = Some(callers);
        self
    }

    pub(super) fn allowed(&self) -> Option<&'static [Allowed]> {
        self.allowed
    }

    /// The same, as a procedure that is leaf: see [`Options::leaf`](crate::Options::leaf).
    #[must_use]
    pub const fn leaf(mut self) -> Self {
        self.leaf = true;
        self
    }

    #[inline]
    pub(super) fn is_leaf(&self) -> bool {
        self.leaf
    }

    /// The same over another encoding.
    #[must_use]
    pub const fn encoded(mut self, codec: &'static str) -> Self {
        self.codec = codec;
        self
    }

    /// Its number in the interface, from 1 on.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its signature, the same for every way to lay the source out.
    #[must_use]
    pub const fn signature(&self) -> &'static str {
        self.signature
    }

    /// What its arguments and results look like.
    #[must_use]
    pub fn values(&self) -> Values {
        let mut values = Values::default();
        (self.values)(&mut values);
        values
    }

    /// What caller and server must have in common to understand each other: a hash (40 bits of FNV-1a) of the interface's name, the
    /// first number of its version, the signature, the encoding and the shapes of all values.
    ///
    /// It is no defence against a liar, who could send anything anyway; it keeps honest programs of different age from
    /// misreading each other.
    #[inline]
    #[must_use]
    pub fn tag(&self) -> [u8; TAG_BYTES] {
        self.known().tag
    }

    /// Which of its values have descriptors inside.
    pub(super) fn inside(&self) -> Inside {
        self.known().inside
    }

    #[inline]
    fn known(&self) -> Known {
        if let Some(known) = self.known.get() {
            return *known;
        }
        self.known_anew()
    }

    /// Of a look that lacked a descriptor to try this may be wrong: it is for now only.
    #[cold]
    fn known_anew(&self) -> Known {
        let _before = lacked();
        let values = self.values();
        let tag = self.begun.text(self.codec).text(&values.to_string());
        let [tag @ .., _, _, _] = tag.0.to_le_bytes();
        let inside = values.inside();
        let known = Known { tag, inside };
        if !lacked() {
            return *self.known.get_or_init(|| known);
        }
        known
    }
}

/// So many fit beside the number of the method in a head of 8 bytes.
pub(super) const TAG_BYTES: usize = 5;

/// FNV-1a over texts, each with an end that no text has.
#[derive(Clone, Copy, Debug)]
struct Tag(u64);

impl Tag {
    const BEGIN: Self = Self(0xcbf2_9ce4_8422_2325);

    const fn text(mut self, text: &str) -> Self {
        let mut bytes = text.as_bytes();
        while let [byte, rest @ ..] = bytes {
            self = self.byte(*byte);
            bytes = rest;
        }
        self.byte(0xff)
    }

    #[expect(clippy::as_conversions, reason = "u64::from is not const; a byte fits")]
    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ (byte as u64)).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // From the reference implementation's list of test vectors.
        let foobar = b"foobar"
            .iter()
            .fold(Tag::BEGIN, |tag, byte| tag.byte(*byte));
        assert_eq!(foobar.0, 0x8594_4171_f739_67e8);
    }

    #[test]
    fn whatever_differs_makes_another_tag() {
        let method = |name, version, signature, values| {
            Method::new(name, version, 1, "add", signature, values).tag()
        };
        let (one, two) = (Version::FIRST, Version::new(2, 0));
        let text = "fn add(a: A) -> u32";
        let short: fn(&mut Values) = |values| values.argument::<u16>("a");
        let long: fn(&mut Values) = |values| values.argument::<u32>("a");
        let tags = [
            method("Sum", one, text, long),
            method("Sum", one, "fn add(b: A) -> u32", long),
            method("Sun", one, text, long),
            method("Sum", two, text, long),
            // What the type is inside.
            method("Sum", one, text, short),
            // How values are put.
            Method::new("Sum", one, 1, "add", text, long)
                .encoded("other")
                .tag(),
        ];
        for (at, tag) in tags.iter().enumerate() {
            assert!(!tags[..at].contains(tag));
        }
        // A later minor version calls the same method.
        assert_eq!(method("Sum", Version::new(1, 9), text, long), tags[0]);
    }
}
