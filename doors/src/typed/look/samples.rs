//! Values to try: most types take the first one, some are choosy.

pub(super) const BOOL: [bool; 2] = [false, true];
pub(super) const I8: [i8; 3] = [1, 0, -1];
pub(super) const I16: [i16; 3] = [1, 0, -1];
pub(super) const I32: [i32; 3] = [1, 0, -1];
pub(super) const I64: [i64; 3] = [1, 0, -1];
pub(super) const I128: [i128; 3] = [1, 0, -1];
pub(super) const U8: [u8; 4] = [1, 0, 2, 10];
pub(super) const U16: [u16; 4] = [1, 0, 2, 1_000];
pub(super) const U32: [u32; 4] = [1, 0, 2, 1_000];
pub(super) const U64: [u64; 4] = [1, 0, 2, 1_000];
pub(super) const U128: [u128; 4] = [1, 0, 2, 1_000];
pub(super) const F32: [f32; 3] = [0.0, 1.0, -1.0];
pub(super) const F64: [f64; 3] = [0.0, 1.0, -1.0];
pub(super) const CHAR: [char; 3] = ['a', '0', ' '];
pub(super) const TEXT: [&str; 8] = [
    "",
    "a",
    "1",
    "/",
    "127.0.0.1",
    "http://a/",
    "2000-01-01T00:00:00Z",
    "00000000-0000-0000-0000-000000000000",
];
/// Of the lengths that addresses, identifiers and digests have.
pub(super) const BYTES: [&[u8]; 7] = [&[], &[0], &[0; 4], &[0; 8], &[0; 16], &[0; 20], &[0; 32]];
