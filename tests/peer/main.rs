//! A process that does what a test tells it, good or bad.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a peer that cannot do what it was told ends"
)]

mod calls;
mod clog;
mod closing;
mod first;
mod gears;
mod hostile;
mod leader;
mod life;
mod mortal;
mod restart;
mod serve;
mod threads;
mod typed;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let operation = arguments.first().expect("an operation code");
    let rest: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    assert!(run(operation, &rest), "unknown operation {operation}");
}

fn run(operation: &str, arguments: &[&str]) -> bool {
    let areas = [
        mortal::run,
        serve::run,
        calls::run,
        closing::run,
        first::run,
        gears::run,
        life::run,
        hostile::run,
        leader::run,
        clog::run,
        threads::run,
        restart::run,
        typed::run,
    ];
    areas.iter().any(|area| area(operation, arguments))
}
