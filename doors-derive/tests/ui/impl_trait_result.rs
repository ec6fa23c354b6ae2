use doors::door;

#[door]
fn numbers(to: u32) -> impl Iterator<Item = u32> {
    0..to
}

fn main() {}
