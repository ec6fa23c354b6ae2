//! What the tests of `threads`, `credentials`, `figures` and `steady` ask of a peer.

mod client;
pub(crate) mod counting;
mod forks;
mod gate;
mod options;
mod server;
mod trace;

/// Does one operation of this area; false if it has no such operation.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    match operation {
        "threads-server" => server::serve(arguments),
        "threads-client" => client::obey(arguments),
        "threads-crowd" => client::crowd(arguments),
        "threads-meeting" => client::meeting(arguments),
        "threads-hammer" => client::hammer(arguments),
        "threads-steady" => client::steady(arguments),
        "threads-brief" => client::brief(arguments),
        _ => return false,
    }
    true
}
