use doors::{Answer, Call, door};

#[door]
fn none(call: &Call) -> Answer<u32> {
    call.hold::<u32>();
}

#[door]
fn other(call: &Call) -> Answer<u32> {
    let (promise, answer) = call.hold();
    promise.door_return("text");
    answer
}

#[door]
fn twice(call: &Call) -> Answer<u32> {
    let (promise, answer) = call.hold();
    promise.door_return(1);
    promise.door_return(2);
    answer
}

fn main() {}
