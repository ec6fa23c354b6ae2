use doors::door;

#[door]
fn add(a: u32, b: u32) -> _ {
    a + b
}

fn main() {}
