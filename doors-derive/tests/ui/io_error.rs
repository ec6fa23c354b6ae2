use std::io;

use doors::door;

#[door]
trait Files {
    fn len(&self, path: &str) -> Result<u64, io::Error>;
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>>;
}

fn main() {}
