use doors::door;

struct Point {
    x: u32,
}

#[door]
fn point(x: u32) -> Point {
    Point { x }
}

fn main() {}
