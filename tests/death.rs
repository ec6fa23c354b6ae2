//! A server dies at any moment, and its clients see it. Every `ask` asserts the answer that it names.

use harness::waiting::until_asleep_in_a_call;
use harness::{Census, Directory, Watchdog, life};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

const NOT_EXECUTED: &str = "error ServerDied { taken: false } NotExecuted";
const MAY_HAVE_EXECUTED: &str = "error ServerDied { taken: true } MayHaveExecuted";

#[test]
fn a_server_that_is_killed_between_two_calls_is_no_door() {
    let _watchdog = Watchdog::new("a_server_that_is_killed_between_two_calls_is_no_door");
    let directory = Directory::new("death");
    let (mut server, mut fresh) = (
        life::server(PEER, &directory, "none"),
        life::client(PEER, &directory),
    );
    let mut client = life::client_with_session(PEER, &directory);
    server.kill();
    // Whether the first call or the watcher comes first is chance.
    let heard = client.query("call control ehello");
    assert!(
        [NOT_EXECUTED, "error NoDoor NotExecuted"].contains(&heard.as_str()),
        "{heard}"
    );
    client.ask("call control ehello", "error NoDoor NotExecuted");
    client.ask("info control", "target None DoorAttributes(0x0)");
    fresh.ask("call control ehello", "error NoDoor NotExecuted");
}

#[test]
fn a_call_that_was_taken_may_have_executed() {
    let _watchdog = Watchdog::new("a_call_that_was_taken_may_have_executed");
    let directory = Directory::new("death");
    let mut server = life::server(PEER, &directory, "none");
    let mut client = life::client_with_session(PEER, &directory);
    client.ask("start control b one", "started");
    server.ask("wait entered 1", "entered 1");
    until_asleep_in_a_call(client.pid());
    server.kill();
    client.ask("join one", MAY_HAVE_EXECUTED);
}

#[test]
fn a_call_that_was_not_taken_has_not_executed() {
    let _watchdog = Watchdog::new("a_call_that_was_not_taken_has_not_executed");
    let directory = Directory::new("death");
    let mut server = life::server(PEER, &directory, "none");
    let mut client = life::client_with_session(PEER, &directory);
    server.stop();
    client.ask("start control ehello one", "started");
    until_asleep_in_a_call(client.pid());
    server.kill();
    client.ask("join one", NOT_EXECUTED);
}

#[test]
fn every_thread_that_waits_hears_of_the_death() {
    let _watchdog = Watchdog::new("every_thread_that_waits_hears_of_the_death");
    let directory = Directory::new("death");
    let mut server = life::server(PEER, &directory, "none");
    let mut client = life::client_with_session(PEER, &directory);
    for id in 0..20 {
        client.ask(&format!("start control b {id}"), "started");
    }
    server.ask("wait entered 20", "entered 20");
    server.kill();
    for id in 0..20 {
        client.ask(&format!("join {id}"), MAY_HAVE_EXECUTED);
    }
}

#[test]
fn a_server_that_kills_itself_in_the_procedure_may_have_executed() {
    let _watchdog = Watchdog::new("a_server_that_kills_itself_in_the_procedure_may_have_executed");
    for with_session in [false, true] {
        for _ in 0..10 {
            let directory = Directory::new("death");
            let _server = life::server(PEER, &directory, "none");
            let mut client = if with_session {
                life::client_with_session(PEER, &directory)
            } else {
                life::client(PEER, &directory)
            };
            client.ask("call control k", MAY_HAVE_EXECUTED);
        }
    }
}

#[test]
fn a_server_may_be_killed_at_any_instant_of_many_calls() {
    let _watchdog = Watchdog::new("a_server_may_be_killed_at_any_instant_of_many_calls");
    for round in 0..20 {
        let directory = Directory::new("death");
        let mut server = life::server(PEER, &directory, "none");
        let mut client = life::client_with_session(PEER, &directory);
        for id in 0..4 {
            client.ask(&format!("start-many control {id}"), "started");
        }
        // Calls have been made; where they stand now is chance, and differs from round to round.
        client.ask(&format!("wait-many {}", 100 + round * 37), "so many");
        server.kill();
        for id in 0..4 {
            let heard = client.query(&format!("join {id}"));
            let sound = [NOT_EXECUTED, MAY_HAVE_EXECUTED, "error NoDoor NotExecuted"];
            assert!(sound.contains(&heard.as_str()), "round {round}: {heard}");
        }
    }
}

#[test]
fn a_child_that_keeps_all_sockets_does_not_hide_the_death() {
    let _watchdog = Watchdog::new("a_child_that_keeps_all_sockets_does_not_hide_the_death");
    let directory = Directory::new("death");
    let mut server = life::server(PEER, &directory, "none");
    let (mut client, mut fresh) = (
        life::client_with_session(PEER, &directory),
        life::client(PEER, &directory),
    );
    client.ask("start control b one", "started");
    fresh.ask("start control b one", "started");
    server.ask("wait entered 2", "entered 2");
    until_asleep_in_a_call(client.pid());
    let child = server.query("fork-idle");
    server.kill();
    client.ask("join one", MAY_HAVE_EXECUTED);
    // Nobody will ever answer these: an error all the same, in the time that a step of the protocol has.
    client.ask("start control ehello two", "started");
    let mut late = life::stranger(PEER);
    life::open(&mut late, "late", &directory.join(life::CONTROL));
    late.ask("start late ehello three", "started");
    let heard = fresh.query("join one");
    assert!(heard.ends_with(" MayHaveExecuted"), "{heard}");
    let heard = client.query("join two");
    assert!(heard.ends_with(" NotExecuted"), "{heard}");
    let heard = late.query("join three");
    assert!(heard.starts_with("error NotResponding { "), "{heard}");
    life::end(&child);
}

#[test]
fn nothing_is_left_of_servers_that_were_killed() {
    let _watchdog = Watchdog::new("nothing_is_left_of_servers_that_were_killed");
    let mut client = life::stranger(PEER);
    // Once it says something it runs.
    client.ask(
        "open control /nowhere/at/all",
        "error Name(NotFound { path: \"/nowhere/at/all\" })",
    );
    let before = Census::of(client.pid());
    for _ in 0..6 {
        let directory = Directory::new("death");
        let mut server = life::server(PEER, &directory, "none");
        life::open(&mut client, life::CONTROL, &directory.join(life::CONTROL));
        for _ in 0..3 {
            client.ask("call control ehello", "reply hello");
        }
        server.kill();
        // Whether the call or the watcher comes first is chance.
        let heard = client.query("call control ehello");
        assert!(heard.ends_with(" NotExecuted"), "{heard}");
        client.ask("close control", "closed");
        // The watcher stays, with the set that it waits for and its look at the descriptor table.
        Census::settle(client.pid(), "of a dead server", |now| {
            now.mappings == 0
                && now.descriptors() == before.descriptors() + 2
                && now.threads == before.threads + 1
        });
    }
}
