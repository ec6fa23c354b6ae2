use doors::door;

#[door(version = "1")]
trait Store {
    #[since("+1.0")]
    fn get(&self) -> u8;
}

fn main() {}
