//! The `doors` command.

use std::process::ExitCode;

use clap::Parser;

mod arguments;
mod bench;
mod call;
mod demo;
mod failure;
mod figures;
mod info;
mod list;
mod open;
mod output;
mod printable;
mod serve;
mod slip;
mod survey;
mod top;
mod values;

use arguments::{Arguments, Verb};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return slip::report(&error),
    };
    let outcome = match &arguments.verb {
        Verb::Demo(arguments) => demo::run(&arguments.files),
        Verb::Serve(arguments) => serve::run(arguments),
        Verb::Call(arguments) => call::run(arguments),
        Verb::Info(arguments) => info::run(arguments),
        Verb::Ls(arguments) => list::run(arguments),
        Verb::Top(arguments) => top::run(arguments),
        Verb::Bench(arguments) => bench::run(arguments),
        Verb::DemoServer { directory } => demo::server::run(directory),
        Verb::DemoClient(arguments) => demo::client::run(arguments),
        Verb::BenchRole { arguments } => bench::play(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
