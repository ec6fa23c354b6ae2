//! A client dies or gives up, and its server sees it. Every `ask` asserts the answer that it names.

use harness::{Census, Directory, Watchdog, life};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn an_invocation_sees_that_its_caller_was_killed() {
    let _watchdog = Watchdog::new("an_invocation_sees_that_its_caller_was_killed");
    let directory = Directory::new("death");
    let mut server = life::server(PEER, &directory, "none");
    let (mut client, mut fresh) = (
        life::client_with_session(PEER, &directory),
        life::client(PEER, &directory),
    );
    client.ask("start control b one", "started");
    server.ask("wait entered 1", "entered 1");
    client.kill();
    server.ask("wait saw 1", "saw 1");
    server.ask("count cancelled", "cancelled 1");
    // As a packet on the fresh connection.
    fresh.ask("start control b one", "started");
    server.ask("wait entered 2", "entered 2");
    fresh.kill();
    server.ask("wait saw 2", "saw 2");
    server.ask("count cancelled", "cancelled 2");
}

#[test]
fn an_invocation_sees_that_its_caller_gave_up() {
    let _watchdog = Watchdog::new("an_invocation_sees_that_its_caller_gave_up");
    let directory = Directory::new("death");
    let mut server = life::server(PEER, &directory, "none");
    let (mut client, mut fresh) = (
        life::client_with_session(PEER, &directory),
        life::client(PEER, &directory),
    );
    let over = "error TimedOut { taken: true } MayHaveExecuted";
    client.ask("call-within control b 50", over);
    server.ask("wait saw 1", "saw 1");
    fresh.ask("call-within control b 50", over);
    server.ask("wait saw 2", "saw 2");
    client.ask("call control eagain", "reply again");
    fresh.ask("call control eagain", "reply again");
}

#[test]
fn a_held_call_sees_that_its_caller_was_killed() {
    let _watchdog = Watchdog::new("a_held_call_sees_that_its_caller_was_killed");
    let directory = Directory::new("death");
    let mut server = life::server(PEER, &directory, "none");
    let mut client = life::client_with_session(PEER, &directory);
    client.ask("start control h one", "started");
    server.ask("wait held 1", "held 1");
    server.ask("held", "cancelled false");
    client.kill();
    while server.query("held") != "cancelled true" {
        std::thread::yield_now();
    }
    server.ask("answer", "answered true");
}

#[test]
fn nothing_is_left_of_clients_that_were_killed() {
    let _watchdog = Watchdog::new("nothing_is_left_of_clients_that_were_killed");
    let directory = Directory::new("death");
    let mut server = life::server(PEER, &directory, "none");
    let before = Census::of(server.pid());
    let mut threads = 0;
    for round in 0..12 {
        let mut client = life::client_with_session(PEER, &directory);
        client.ask("take s control", "taken");
        client.ask("door s", "a door");
        client.ask("call s ehello", "reply hello");
        client.ask("start control b one", "started");
        client.ask("start s b two", "started");
        let entered = 2 * (round + 1);
        server.ask(
            &format!("wait entered {entered}"),
            &format!("entered {entered}"),
        );
        client.kill();
        server.ask(&format!("wait saw {entered}"), &format!("saw {entered}"));
        let left = Census::settle(server.pid(), "of a killed client", |now| {
            now.descriptors == before.descriptors && now.mappings == 0
        });
        // The first one made the threads that stay.
        if round == 0 {
            threads = left.threads;
        }
    }
    Census::settle(server.pid(), "threads", |now| now.threads <= threads + 1);
}
