use doors::door;

#[door]
fn look(at: *const u8) {
    let _ = at;
}

fn main() {}
