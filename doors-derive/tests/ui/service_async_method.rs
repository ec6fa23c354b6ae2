use doors::door;

#[door]
trait Store {
    async fn get(&self) -> u8;
}

fn main() {}
