use doors::door;

#[door]
trait Store {
    fn put(&mut self, value: u8);
}

fn main() {
    // The client has it all the same: nothing else is wrong.
    let store = StoreClient::open("/run/store").unwrap();
    drop(store.put(7));
}
