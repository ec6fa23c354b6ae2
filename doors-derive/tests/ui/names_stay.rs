//! A function with errors still has its door and its client: nobody is told that they do not exist.
use doors::door;

#[door]
async fn add(a: u32, b: u32) -> u32 {
    a + b
}

fn main() {
    let client = AddClient::from(add::door().unwrap());
    let _ = (client.door(), AddClient::open("/run/add"));
}
