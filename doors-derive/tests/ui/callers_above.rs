use doors::door;

#[allow_callers(me)]
#[door]
fn function() {}

fn main() {}
