use doors::door;

#[door]
#[leaf(true)]
trait Clock {
    #[leaf]
    #[leaf]
    fn seconds(&self) -> u64;
    #[leaf = false]
    fn chime(&self);
}

fn main() {}
