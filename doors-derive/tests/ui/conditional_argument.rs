use doors::door;

#[door]
fn add(a: u32, #[cfg(unix)] b: u32) -> u32 {
    a + b
}

fn main() {}
