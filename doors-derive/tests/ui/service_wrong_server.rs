use doors::door;

#[door]
trait Store {
    fn get(&self) -> u8;
}

struct Cellar(std::rc::Rc<u8>);

impl Store for Cellar {
    fn get(&self) -> u8 {
        *self.0
    }
}

fn main() {
    let _ = StoreDoor::serve(Cellar(1.into()));
    let _ = StoreDoor::serve("nothing");
}
