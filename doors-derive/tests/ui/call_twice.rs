use doors::{Call, door};

#[door]
trait Service {
    fn who(&self, call: &Call, name: &str, again: &doors::Call<'_>) -> u32;
}

fn main() {}
