//! What both sides of a typed door must agree on.

/// The hash starts with the encoding: the same signature over another one is another interface.
const CODEC: &str = "postcard 1\n";

/// A procedure's signature, as the caller and the server each were compiled with it.
///
/// The hash (64-bit FNV-1a over the encoding's name and the signature's text) travels with each call. It is no defence
/// against a liar, who could send anything anyway; it keeps honest programs of different age from misreading each other.
/// The text has the names and types of the arguments as they are written in the source: the fields of a type are not
/// part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    signature: &'static str,
    hash: u64,
}

impl Interface {
    /// The interface with this signature.
    #[must_use]
    pub const fn new(signature: &'static str) -> Self {
        // The offset basis of FNV-1a.
        let hash = extend(0xcbf2_9ce4_8422_2325, CODEC.as_bytes());
        Self {
            signature,
            hash: extend(hash, signature.as_bytes()),
        }
    }

    /// The signature's text.
    #[must_use]
    pub const fn signature(&self) -> &'static str {
        self.signature
    }

    /// The signature's hash.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }
}

#[expect(clippy::as_conversions, reason = "u64::from is not const; a byte fits")]
const fn extend(mut hash: u64, mut bytes: &[u8]) -> u64 {
    while let [byte, rest @ ..] = bytes {
        hash = (hash ^ (*byte as u64)).wrapping_mul(0x0000_0100_0000_01b3);
        bytes = rest;
    }
    hash
}

/// The two halves of a `Result`, for signatures that name it by an alias.
#[diagnostic::on_unimplemented(
    message = "`#[door]` takes a type called `Result` for the one of the standard library",
    label = "this is another type",
    note = "give the type another name, or write the path of an alias of `std::result::Result`"
)]
pub trait Fallible {
    /// What `Ok` carries.
    type Value;
    /// What `Err` carries.
    type Error;

    /// The `Result` that the alias stands for.
    ///
    /// # Errors
    /// Its own.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T, E> Fallible for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // From the reference implementation's list of test vectors.
        assert_eq!(
            extend(0xcbf2_9ce4_8422_2325, b"foobar"),
            0x8594_4171_f739_67e8
        );
    }

    #[test]
    fn one_letter_makes_another_interface() {
        let one = Interface::new("fn add(a: u32, b: u32) -> u32");
        let other = Interface::new("fn add(a: u32, c: u32) -> u32");
        assert_ne!(one.hash(), other.hash());
    }
}
