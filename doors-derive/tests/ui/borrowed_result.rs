use doors::door;

#[door]
fn first(text: &str) -> Option<&str> {
    text.lines().next()
}

fn main() {}
