use doors::door;

#[door]
unsafe trait Store {
    fn get(&self) -> u8;
    unsafe fn put(&self, value: u8);
}

fn main() {}
