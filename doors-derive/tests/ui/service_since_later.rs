use doors::door;

#[door(version = "1.1")]
trait Store {
    #[since("1.2")]
    fn get(&self) -> u8;
    #[since("2.0")]
    fn put(&self, value: u8);
}

fn main() {}
