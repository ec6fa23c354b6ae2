//! What the tests of `calls` ask of a peer.

mod bombs;
mod client;
mod deaf;
mod frozen;
mod procedure;
mod server;

pub(crate) use procedure::{numbered, pattern};

/// Does one operation of this area; false if it has no such operation.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    match operation {
        "calls-serve" => server::serve(arguments[0], arguments.get(1).copied().unwrap_or("")),
        "calls-giver" => server::give(arguments[0], arguments[1]),
        "calls-poor-client" => client::poor(arguments[0]),
        "calls-private-doors" => client::private_doors(arguments[0]),
        "calls-crowd" => client::crowd(arguments[0]),
        "calls-client" => client::obey(arguments[0]),
        "calls-deaf-client" => deaf::obey(arguments[0]),
        _ => return false,
    }
    true
}
