use doors::door;

#[door]
fn stop() -> ! {
    std::process::exit(0)
}

fn main() {}
