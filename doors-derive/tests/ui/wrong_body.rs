use doors::door;

#[door]
fn add(a: u32, b: u32) -> u32 {
    a + c
}

fn main() {}
