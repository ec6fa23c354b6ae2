//! Forked children of a client and of a server, and programs that they execute.

use harness::{Census, Directory, Peer, Watchdog, life};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A server, and a client that has opened its door.
fn pair(directory: &Directory) -> (Peer, Peer) {
    let server = life::server(PEER, directory, "none");
    (server, life::client(PEER, directory))
}

/// What a forked child of a client said: its pid, and who the server took it for.
fn child_of(client: &mut Peer) -> String {
    let said = client.query("fork-call control c");
    let words: Vec<&str> = said.split(' ').collect();
    let [_, pid, reply, caller, _uid, agrees] = words[..] else {
        unreachable!("{said}")
    };
    assert_eq!((reply, agrees), ("reply", "true"), "{said}");
    assert_eq!(pid, caller, "the server must know the child by its own pid");
    assert_ne!(pid, client.pid().to_string());
    pid.to_owned()
}

#[test]
fn a_forked_client_calls_as_itself() {
    let _watchdog = Watchdog::new("a_forked_client_calls_as_itself");
    let directory = Directory::new("fork");
    let (_server, mut client) = pair(&directory);
    // Before the first call, after it, and with a session.
    for number in 0..4 {
        child_of(&mut client);
        client.ask(
            &format!("call control e{number}"),
            &format!("reply {number}"),
        );
        let said = client.query("call control c");
        let me = format!("reply {} ", client.pid());
        assert!(said.starts_with(&me), "{said}");
    }
}

#[test]
fn the_calls_of_other_threads_go_on_over_a_fork() {
    let _watchdog = Watchdog::new("the_calls_of_other_threads_go_on_over_a_fork");
    let directory = Directory::new("fork");
    let (mut server, mut client) = pair(&directory);
    for number in 0..6 {
        client.ask(&format!("start control l {number}"), "started");
    }
    client.ask("start-many control many", "started");
    client.ask("wait-many 100", "so many");
    for _ in 0..10 {
        child_of(&mut client);
    }
    server.ask("raise released", "raised");
    for number in 0..6 {
        client.ask(&format!("join {number}"), "reply unlocked");
    }
    client.ask("call control ehello", "reply hello");
}

#[test]
fn nothing_is_left_of_forked_clients() {
    let _watchdog = Watchdog::new("nothing_is_left_of_forked_clients");
    let directory = Directory::new("fork");
    let (server, mut client) = pair(&directory);
    client.ask("call control eone", "reply one");
    client.ask("call control etwo", "reply two");
    child_of(&mut client);
    let before = Census::settle(server.pid(), "one session", |now| now.mappings == 2);
    let own = Census::of(client.pid());
    for _ in 0..30 {
        child_of(&mut client);
    }
    Census::settle(server.pid(), "one session", |now| {
        now.descriptors() <= before.descriptors() && now.mappings == before.mappings
    });
    assert_eq!(Census::of(client.pid()), own);
}

#[test]
fn an_exec_closes_everything() {
    let _watchdog = Watchdog::new("an_exec_closes_everything");
    let directory = Directory::new("fork");
    let (mut server, mut client) = pair(&directory);
    client.ask("take s control", "taken");
    client.ask("close s", "closed");
    let before = Census::settle(server.pid(), "no session", |now| now.mappings == 0);
    client.ask("call control etwo", "reply two");
    client.ask("take s control", "taken");
    client.ask("door s", "a door");
    client.ask("call s ehello", "reply hello");
    client.ask("start control b one", "started");
    server.ask("wait entered 1", "entered 1");
    client.ask("exec", "[]");
    server.ask("wait saw 1", "saw 1");
    // The connection that was open before goes too.
    Census::settle(server.pid(), "an exec", |now| {
        now.mappings == 0 && now.descriptors() < before.descriptors()
    });
}

#[test]
fn a_server_that_executes_another_program_ends_its_doors() {
    const MAY_HAVE_EXECUTED: &str = "error ServerDied { taken: true } MayHaveExecuted";
    let _watchdog = Watchdog::new("a_server_that_executes_another_program_ends_its_doors");
    let directory = Directory::new("fork");
    let (mut server, mut fresh) = pair(&directory);
    let mut client = life::client_with_session(PEER, &directory);
    // One call through a session, and a first one as a packet.
    client.ask("start control b one", "started");
    server.ask("wait entered 1", "entered 1");
    fresh.ask("start control b one", "started");
    server.ask("wait entered 2", "entered 2");
    server.ask("exec", "[]");
    // The process lives on, and its pidfd tells nothing.
    client.ask("join one", MAY_HAVE_EXECUTED);
    fresh.ask("join one", MAY_HAVE_EXECUTED);
    // A first call tells its caller nothing of the door.
    let told = ["target None DoorAttributes(0x0)", "error NoDoor"];
    for (client, told) in [&mut client, &mut fresh].into_iter().zip(told) {
        client.ask("call control ehello", "error NoDoor NotExecuted");
        client.ask("info control", told);
        let said = life::try_open(client, "again", &directory.join(life::CONTROL));
        assert_eq!(life::kind_of_error(&said), "NoServer");
    }
}

#[test]
fn a_forked_server_cannot_serve_its_parents_doors() {
    let _watchdog = Watchdog::new("a_forked_server_cannot_serve_its_parents_doors");
    let directory = Directory::new("fork");
    let (mut server, mut client) = pair(&directory);
    client.ask("call control eone", "reply one");
    client.ask("call control etwo", "reply two");
    client.ask("start control b one", "started");
    server.ask("wait entered 1", "entered 1");
    server.ask("self-call", "true");
    for _ in 0..3 {
        server.ask(
            "fork-use",
            "Err(NotCreator) Err(NotCreator) Err(NotCreator) Err(Forked) own true again",
        );
        client.ask("call control ehello", "reply hello");
        server.ask("self-call", "true");
    }
    server.ask("raise released", "raised");
    client.ask("join one", "reply released");
    let name = directory.join("control");
    assert!(name.exists(), "a child must not remove its parent's name");
}

#[test]
fn a_child_of_a_server_that_was_never_called_can_make_doors() {
    let _watchdog = Watchdog::new("a_child_of_a_server_that_was_never_called_can_make_doors");
    let mut server = Peer::start(PEER, "life-server", &[]);
    server.ask("create multi", "created");
    server.ask(
        "fork-use",
        "Err(NotCreator) Err(NotCreator) Err(NotCreator) Err(Forked) own true again",
    );
    server.ask("info", "references 0 active 0");
    server.ask("count dropped", "dropped 0");
}

#[test]
fn a_forked_server_cannot_remove_its_parents_names() {
    let _watchdog = Watchdog::new("a_forked_server_cannot_remove_its_parents_names");
    let directory = Directory::new("fork");
    let (mut server, mut client) = pair(&directory);
    let path = directory.join("name");
    server.ask(&format!("attach n {} 600", path.display()), "attached");
    server.ask("fork-detach n", "Err(NotCreator)");
    client.ask(&format!("open p {}", path.display()), "open");
    client.ask("call p ehello", "reply hello");
    client.ask(
        &format!("open q {}", directory.join("control").display()),
        "open",
    );
    client.ask("call q ehello", "reply hello");
    server.ask("detach n", "detached true");
}

#[test]
fn the_death_of_a_server_is_seen_while_its_child_lives() {
    let _watchdog = Watchdog::new("the_death_of_a_server_is_seen_while_its_child_lives");
    let directory = Directory::new("fork");
    let (mut server, mut client) = pair(&directory);
    client.ask("call control eone", "reply one");
    client.ask("call control etwo", "reply two");
    let child = server.query("fork-idle");
    client.ask("call control ehello", "reply hello");
    client.ask("start control b one", "started");
    server.ask("wait entered 1", "entered 1");
    server.kill();
    client.ask(
        "join one",
        "error ServerDied { taken: true } MayHaveExecuted",
    );
    life::end(&child);
    let said = client.query("call control ehello");
    assert!(said.ends_with(" NotExecuted"), "{said}");
}

#[test]
fn a_procedure_may_fork_and_the_child_answers_nobody() {
    let _watchdog = Watchdog::new("a_procedure_may_fork_and_the_child_answers_nobody");
    let directory = Directory::new("fork");
    let (_server, mut client) = pair(&directory);
    let mut children = Vec::new();
    // As a packet, then through a session.
    for _ in 0..4 {
        let said = client.query("call control f");
        let words: Vec<&str> = said.split(' ').collect();
        let ["reply", child, "sleeps"] = words[..] else {
            unreachable!("{said}")
        };
        children.push(child.parse().unwrap());
        client.ask("call control ehello", "reply hello");
    }
    for child in children {
        let gone = kill(Pid::from_raw(child), Signal::SIGKILL);
        assert_eq!(
            gone,
            Ok(()),
            "the child lives, or is a zombie of the server"
        );
    }
    client.ask("call control ehello", "reply hello");
}
