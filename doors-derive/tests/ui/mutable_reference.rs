use doors::door;

#[door]
fn increment(counter: &mut u32) {
    *counter += 1;
}

fn main() {}
