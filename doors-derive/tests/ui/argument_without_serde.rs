use doors::door;

struct Point {
    x: u32,
}

#[door]
fn x(point: Point) -> u32 {
    point.x
}

fn main() {}
