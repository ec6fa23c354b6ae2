use doors::door;

#[door]
fn show(value: Box<dyn ToString>) -> String {
    value.to_string()
}

fn main() {}
