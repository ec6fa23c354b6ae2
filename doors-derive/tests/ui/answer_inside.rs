use doors::{Answer, Call, door};

#[door]
trait Service {
    fn inside(&self, call: &Call) -> Result<Answer<u32>, String>;
}

fn main() {}
