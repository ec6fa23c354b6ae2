//! The transport's errors cannot be forgotten: the client's error is not the function's.
use doors::door;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Empty;

#[door]
fn first(text: String) -> Result<char, Empty> {
    text.chars().next().ok_or(Empty)
}

fn ask(client: &FirstClient) -> Result<char, Empty> {
    client.call(String::new())
}

fn main() {
    let _ = ask;
}
