//! A server that stands still, and a client that is interrupted all the time. Every `ask` asserts the answer that it names.

#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the test")]

use harness::waiting::until_asleep_in_a_call;
use harness::{Books, Directory, Peer, Watchdog, life};
use nix::sys::signal::Signal;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn a_stopped_server_is_waited_for_until_the_deadline() {
    let _watchdog = Watchdog::new("a_stopped_server_is_waited_for_until_the_deadline");
    let directory = Directory::new("death");
    let server = life::server(PEER, &directory, "none");
    let books = Books::of(&server).and_threads(4);
    let (mut client, mut first) = (
        life::client_with_session(PEER, &directory),
        life::client(PEER, &directory),
    );
    // This one has used its connection, and has no session yet.
    let mut second = life::client(PEER, &directory);
    second.ask("call control eone", "reply one");
    server.stop();
    // More often than the session has channels: each of these calls keeps one.
    for _ in 0..6 {
        client.ask(
            "call-within control ehello 50",
            "error TimedOut { taken: false } NotExecuted",
        );
    }
    second.ask(
        "call-within control ehello 50",
        "error TimedOut { taken: false } NotExecuted",
    );
    // A packet may still be read when the server goes on.
    first.ask(
        "call-within control ehello 50",
        "error TimedOut { taken: true } MayHaveExecuted",
    );
    server.signal(Signal::SIGCONT);
    for number in 0..100 {
        for client in [&mut client, &mut first, &mut second] {
            client.ask(
                &format!("call control e{number}"),
                &format!("reply {number}"),
            );
        }
    }
    drop((client, first, second));
    books.balance();
}

#[test]
fn case_49_signals_do_not_end_or_shorten_a_sleeping_call() {
    let _watchdog = Watchdog::new("case_49_signals_do_not_end_or_shorten_a_sleeping_call");
    let directory = Directory::new("death");
    let _server = life::server(PEER, &directory, "none");
    // The first call of each travels as a packet; the third has a session.
    let (mut first, mut second) = (
        life::client(PEER, &directory),
        life::client(PEER, &directory),
    );
    let mut client = life::client_with_session(PEER, &directory);
    for client in [&mut first, &mut second, &mut client] {
        client.ask("tick", "ticking");
    }
    first.ask("call-ticking control s300", "reply slept 300, often true");
    second.ask(
        "call-ticking control s300 20000",
        "reply slept 300, often true, late false",
    );
    client.ask("call-ticking control s300", "reply slept 300, often true");
    client.ask(
        "call-ticking control s300 20000",
        "reply slept 300, often true, late false",
    );
    let mut fresh = life::client(PEER, &directory);
    fresh.ask("tick", "ticking");
    for client in [&mut fresh, &mut client] {
        sleeps_until_the_deadline(client);
        client.ask("call control eagain", "reply again");
    }
}

/// A call that is executed for long, with a deadline that is not too early for it to begin.
fn sleeps_until_the_deadline(client: &mut Peer) {
    let over = "error TimedOut { taken: true } MayHaveExecuted, often true, late true";
    let early = "error TimedOut { taken: false } NotExecuted";
    let mut millis = 100;
    loop {
        let said = client.query(&format!("call-ticking control s20000 {millis}"));
        if said == over {
            return;
        }
        // A machine with other work may get the server to run only later.
        let began_late = said.starts_with(early) && said.ends_with("late true");
        assert!(began_late, "{said} after {millis} ms");
        millis *= 2;
    }
}

#[test]
fn a_call_without_a_deadline_goes_on_when_the_server_does() {
    let _watchdog = Watchdog::new("a_call_without_a_deadline_goes_on_when_the_server_does");
    let directory = Directory::new("death");
    let server = life::server(PEER, &directory, "none");
    let mut client = life::client_with_session(PEER, &directory);
    server.stop();
    client.ask("start control ehello one", "started");
    until_asleep_in_a_call(client.pid());
    server.signal(Signal::SIGCONT);
    client.ask("join one", "reply hello");
}

#[test]
fn a_first_call_to_a_stopped_server_is_bounded() {
    let _watchdog = Watchdog::new("a_first_call_to_a_stopped_server_is_bounded");
    let directory = Directory::new("death");
    let server = life::server(PEER, &directory, "none");
    server.stop();
    let mut client = life::client(PEER, &directory);
    client.ask(
        "call control ehello",
        "error NotResponding { within: 5s, taken: true } MayHaveExecuted",
    );
    server.signal(Signal::SIGCONT);
    client.ask("call control eagain", "reply again");
}
