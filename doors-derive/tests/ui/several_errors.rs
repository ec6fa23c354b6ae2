use doors::door;

#[door]
async fn mix<T>((a, b): (T, T), f: fn(), _: *mut u8, n: &mut u32) -> &str {
    ""
}

fn main() {}
