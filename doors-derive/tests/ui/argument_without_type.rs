use doors::door;

#[door]
fn add(a, b: u32) -> u32 {
    a + b
}

fn main() {}
