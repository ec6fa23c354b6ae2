use doors::door;

#[door(version = "1.2")]
fn add(a: u32, b: u32) -> u32 {
    a + b
}

fn main() {}
