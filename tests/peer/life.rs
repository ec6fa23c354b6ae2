//! What the tests of unreferenced, names, death, fork and the storm ask of a peer.
//!
//! Both sides are interpreters: one command a line, exactly one line back. So the test orders every step, and nothing
//! has to be waited for by the clock.

mod activate;
pub(crate) mod board;
mod client;
pub(crate) mod notices;
mod procedure;
mod server;
mod storm;
mod ticks;

pub(crate) use server::said_by_child;

/// Does one operation of this area; false if it has no such operation.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    match operation {
        "life-server" => server::run(),
        "life-activate" => activate::run(arguments[0], arguments.get(1).copied()),
        "life-client" => client::run(),
        "life-after-exec" => client::after_exec(),
        "life-storm" => storm::run(arguments),
        "life-victim" => storm::victim(arguments[0]),
        _ => return false,
    }
    true
}

/// Reads commands until the input ends; says what each of them came to.
fn interpret(mut command: impl FnMut(&[&str]) -> String) {
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        println!("{}", command(&words));
    }
}

/// Gives up the superuser's rights for those of a user.
pub(crate) fn become_user(uid: &str) -> String {
    use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
    let id: u32 = uid.parse().unwrap();
    setgroups(&[]).unwrap();
    setgid(Gid::from_raw(id)).unwrap();
    setuid(Uid::from_raw(id)).unwrap();
    "became".into()
}
