use doors::door;

#[door]
fn run(function: fn(u32) -> u32) -> u32 {
    function(1)
}

fn main() {}
