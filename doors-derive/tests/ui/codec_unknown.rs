//! A codec that does not exist, one that is named twice, and another argument.

#[doors::door(codec = "json")]
fn add(a: u32) -> u32 {
    a
}

#[doors::door(codec = "rkyv", codec = "rkyv")]
fn twice(a: u32) -> u32 {
    a
}

#[doors::door(speed = "high")]
fn fast(a: u32) -> u32 {
    a
}

fn main() {}
