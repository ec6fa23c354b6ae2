use doors::door;

use std::os::fd::BorrowedFd;

#[door]
trait Store {
    fn get(&self) -> BorrowedFd<'_>;
}

fn main() {}
