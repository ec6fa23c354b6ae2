use doors::door;

#[door(version = "x")]
trait Store<T> {
    const N: u8;
    #[id(0)]
    async fn get<U>(self, (a, b): (U, T)) -> &str;
    fn put(&self, f: fn(), _: *mut u8);
}

fn main() {}
