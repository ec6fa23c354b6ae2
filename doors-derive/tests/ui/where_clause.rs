use doors::door;

#[door]
fn length(text: &str) -> u64
where
    u64: Copy,
{
    text.len() as u64
}

fn main() {}
