use doors::door;

struct Result;

#[door]
fn point() -> Result {
    Result
}

fn main() {}
