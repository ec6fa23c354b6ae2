use doors::door;

#[door]
fn length<'a>(text: &'a str) -> u64 {
    text.len() as u64
}

fn main() {}
