use std::rc::Rc;
use std::sync::Arc;

use doors::door;

#[door]
trait Store {
    fn boxed(self: Box<Self>) -> u8;
    fn shared(self: Arc<Self>) -> u8;
    fn counted(self: &Rc<Self>) -> u8;
    fn changed(mut self) -> u8;
}

fn main() {}
