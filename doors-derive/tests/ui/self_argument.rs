use doors::door;

struct Calculator(u32);

impl Calculator {
    #[door]
    fn add(&self, a: u32) -> u32 {
        self.0 + a
    }
}

fn main() {}
