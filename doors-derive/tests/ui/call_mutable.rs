use doors::{Call, door};

#[door]
fn who(_call: &mut Call) -> u32 {
    0
}

#[door]
fn always(_call: &'static Call) -> u32 {
    0
}

fn main() {}
