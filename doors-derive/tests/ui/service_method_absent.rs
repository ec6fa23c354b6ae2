use doors::door;

#[door]
trait Store {
    fn there(&self) -> u8;

    #[cfg(windows)]
    fn absent(&self) -> u8;
}

struct Server;

impl Store for Server {
    fn there(&self) -> u8 {
        1
    }
}

fn main() {
    let client = StoreClient::from(StoreDoor::serve(Server).unwrap());
    let _ = client.absent();
}
