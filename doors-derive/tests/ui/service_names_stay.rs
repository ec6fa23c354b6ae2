//! A trait with errors still has its door and its client: nobody is told that they do not exist.
use doors::door;

#[door]
trait Store {
    fn get(&self, key: &str) -> Result<u8, String>;
    fn put(&mut self, key: &str);
}

struct Shelf;

impl Store for Shelf {
    fn get(&self, _: &str) -> Result<u8, String> {
        Ok(1)
    }

    fn put(&mut self, _: &str) {}
}

fn main() {
    let client = StoreClient::from(StoreDoor::serve(Shelf).unwrap());
    let got: Result<u8, doors::ProcedureError<String>> = client.get("key");
    let _ = (got, client.door(), StoreDoor::serve_object(Shelf));
}
