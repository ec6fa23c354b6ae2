use doors::door;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Answer<T>(T);

#[door]
fn ask(question: &str) -> Answer<usize> {
    Answer(question.len())
}

fn main() {}
