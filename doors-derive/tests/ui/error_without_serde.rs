use doors::door;

#[derive(Debug)]
struct NoPoint;

#[door]
fn point(x: u32) -> Result<u32, NoPoint> {
    x.checked_add(1).ok_or(NoPoint)
}

fn main() {}
