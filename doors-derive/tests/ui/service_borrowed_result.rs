use doors::door;

#[door]
trait Store {
    fn get(&self) -> &str;
}

fn main() {}
