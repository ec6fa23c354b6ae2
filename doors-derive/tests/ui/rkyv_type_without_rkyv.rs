//! Types that have no archive.

struct Plain(u32);

#[doors::door(codec = "rkyv")]
fn keep(plain: Plain) {
    drop(plain.0);
}

fn main() {}
