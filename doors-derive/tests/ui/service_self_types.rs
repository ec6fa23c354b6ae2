use doors::door;

#[door]
trait Twins {
    fn twin(&self) -> Self;
    fn meet(&self, other: Option<Self>, items: Vec<Self::Item>, more: <Self as Iterator>::Item);
}

fn main() {}
