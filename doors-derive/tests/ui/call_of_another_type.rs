use doors::door;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Call {
    number: String,
}

#[door]
fn dial(call: &Call) -> usize {
    call.number.len()
}

fn main() {}
