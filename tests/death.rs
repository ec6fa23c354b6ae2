//! Either side dies or stops at any moment.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use harness::{Census, Directory, Peer, Watchdog};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

const NOT_EXECUTED: &str = "error ServerDied { taken: false } NotExecuted";
const MAY_HAVE_EXECUTED: &str = "error ServerDied { taken: true } MayHaveExecuted";

/// A server whose door is at the path "control".
fn server(directory: &Directory) -> Peer {
    let mut server = Peer::start(PEER, "life-server", &[]);
    server.ask(
        &format!("control {}", directory.join("control").display()),
        "attached",
    );
    server.ask("create none", "created");
    server
}

/// A client that has opened it.
fn client(directory: &Directory) -> Peer {
    let mut client = Peer::start(PEER, "life-client", &[]);
    open(&mut client, directory, "control");
    client
}

/// A client that has a session with it.
fn client_with_session(directory: &Directory) -> Peer {
    let mut client = client(directory);
    client.ask("call control eone", "reply one");
    client.ask("call control etwo", "reply two");
    client
}

fn open(client: &mut Peer, directory: &Directory, name: &str) {
    client.ask(
        &format!("open {name} {}", directory.join("control").display()),
        "open",
    );
}

trait Ask {
    /// One command; its answer must be this.
    fn ask(&mut self, command: &str, answer: &str);
    /// One command; its answer.
    fn query(&mut self, command: &str) -> String;
}

impl Ask for Peer {
    fn ask(&mut self, command: &str, answer: &str) {
        assert_eq!(self.query(command), answer, "the answer to {command}");
    }

    fn query(&mut self, command: &str) -> String {
        self.say(command);
        self.hear()
    }
}

/// Waits until a thread of the process sleeps on a word that it shares with others.
fn asleep_in_a_call(pid: u32) {
    let futex = libc::SYS_futex.to_string();
    let sleeps = |task: std::fs::DirEntry| {
        let call = std::fs::read_to_string(task.path().join("syscall")).unwrap_or_default();
        let words: Vec<&str> = call.split(' ').collect();
        // FUTEX_WAIT without the private flag that the locks of one process use.
        words.first() == Some(&futex.as_str()) && words.get(2) == Some(&"0x0")
    };
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        if tasks.flatten().any(sleeps) {
            return;
        }
        std::thread::yield_now();
    }
}

/// Stops a process; comes back when all of its threads stand still.
fn stop(peer: &Peer) {
    peer.signal(Signal::SIGSTOP);
    let stands = |task: std::fs::DirEntry| {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap();
        status.contains("State:\tT")
    };
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", peer.pid())).unwrap();
        if tasks.flatten().all(stands) {
            return;
        }
        std::thread::yield_now();
    }
}

fn end(child: &str) {
    let pid = child.strip_prefix("child ").unwrap().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[test]
fn a_server_that_is_killed_between_two_calls_is_no_door() {
    let _watchdog = Watchdog::new("a_server_that_is_killed_between_two_calls_is_no_door");
    let directory = Directory::new("death");
    let (mut server, mut fresh) = (server(&directory), client(&directory));
    let mut client = client_with_session(&directory);
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
    let mut server = server(&directory);
    let mut client = client_with_session(&directory);
    client.ask("start control b one", "started");
    server.ask("wait entered 1", "entered 1");
    asleep_in_a_call(client.pid());
    server.kill();
    client.ask("join one", MAY_HAVE_EXECUTED);
}

#[test]
fn a_call_that_was_not_taken_has_not_executed() {
    let _watchdog = Watchdog::new("a_call_that_was_not_taken_has_not_executed");
    let directory = Directory::new("death");
    let mut server = server(&directory);
    let mut client = client_with_session(&directory);
    stop(&server);
    client.ask("start control ehello one", "started");
    asleep_in_a_call(client.pid());
    server.kill();
    client.ask("join one", NOT_EXECUTED);
}

#[test]
fn every_thread_that_waits_hears_of_the_death() {
    let _watchdog = Watchdog::new("every_thread_that_waits_hears_of_the_death");
    let directory = Directory::new("death");
    let mut server = server(&directory);
    let mut client = client_with_session(&directory);
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
            let _server = server(&directory);
            let mut client = if with_session {
                client_with_session(&directory)
            } else {
                client(&directory)
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
        let mut server = server(&directory);
        let mut client = client_with_session(&directory);
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
    let mut server = server(&directory);
    let (mut client, mut fresh) = (client_with_session(&directory), client(&directory));
    client.ask("start control b one", "started");
    fresh.ask("start control b one", "started");
    server.ask("wait entered 2", "entered 2");
    asleep_in_a_call(client.pid());
    let child = server.query("fork-idle");
    server.kill();
    client.ask("join one", MAY_HAVE_EXECUTED);
    // Nobody will ever answer these: an error all the same, in the time that a step of the protocol has.
    client.ask("start control ehello two", "started");
    let mut late = Peer::start(PEER, "life-client", &[]);
    open(&mut late, &directory, "late");
    late.ask("start late ehello three", "started");
    let heard = fresh.query("join one");
    assert!(heard.ends_with(" MayHaveExecuted"), "{heard}");
    let heard = client.query("join two");
    assert!(heard.ends_with(" NotExecuted"), "{heard}");
    let heard = late.query("join three");
    assert!(heard.starts_with("error NotResponding { "), "{heard}");
    end(&child);
}

#[test]
fn a_stopped_server_is_waited_for_until_the_deadline() {
    let _watchdog = Watchdog::new("a_stopped_server_is_waited_for_until_the_deadline");
    let directory = Directory::new("death");
    let server = server(&directory);
    let (mut client, mut first) = (client_with_session(&directory), client(&directory));
    // This one has used its connection, and has no session yet.
    let mut second = self::client(&directory);
    second.ask("call control eone", "reply one");
    stop(&server);
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
}

#[test]
fn case_49_signals_do_not_end_or_shorten_a_sleeping_call() {
    let _watchdog = Watchdog::new("case_49_signals_do_not_end_or_shorten_a_sleeping_call");
    let directory = Directory::new("death");
    let _server = server(&directory);
    // The first call of each travels as a packet; the third has a session.
    let (mut first, mut second) = (client(&directory), client(&directory));
    let mut client = client_with_session(&directory);
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
    let over = "error TimedOut { taken: true } MayHaveExecuted, often true, late true";
    let mut fresh = self::client(&directory);
    fresh.ask("tick", "ticking");
    for client in [&mut fresh, &mut client] {
        client.ask("call-ticking control s1000 100", over);
        client.ask("call control eagain", "reply again");
    }
}

#[test]
fn a_call_without_a_deadline_goes_on_when_the_server_does() {
    let _watchdog = Watchdog::new("a_call_without_a_deadline_goes_on_when_the_server_does");
    let directory = Directory::new("death");
    let server = server(&directory);
    let mut client = client_with_session(&directory);
    stop(&server);
    client.ask("start control ehello one", "started");
    asleep_in_a_call(client.pid());
    server.signal(Signal::SIGCONT);
    client.ask("join one", "reply hello");
}

#[test]
fn a_first_call_to_a_stopped_server_is_bounded() {
    let _watchdog = Watchdog::new("a_first_call_to_a_stopped_server_is_bounded");
    let directory = Directory::new("death");
    let server = server(&directory);
    stop(&server);
    let mut client = client(&directory);
    client.ask(
        "call control ehello",
        "error NotResponding { within: 5s, taken: true } MayHaveExecuted",
    );
    server.signal(Signal::SIGCONT);
    client.ask("call control eagain", "reply again");
}

#[test]
fn an_invocation_sees_that_its_caller_was_killed() {
    let _watchdog = Watchdog::new("an_invocation_sees_that_its_caller_was_killed");
    let directory = Directory::new("death");
    let mut server = server(&directory);
    let (mut client, mut fresh) = (client_with_session(&directory), client(&directory));
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
    let mut server = server(&directory);
    let (mut client, mut fresh) = (client_with_session(&directory), client(&directory));
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
    let mut server = server(&directory);
    let mut client = client_with_session(&directory);
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
    let mut server = server(&directory);
    let before = Census::of(server.pid());
    let mut threads = 0;
    for round in 0..12 {
        let mut client = client_with_session(&directory);
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

#[test]
fn nothing_is_left_of_servers_that_were_killed() {
    let _watchdog = Watchdog::new("nothing_is_left_of_servers_that_were_killed");
    let mut client = Peer::start(PEER, "life-client", &[]);
    // Once it says something it runs.
    client.ask(
        "open control /nowhere/at/all",
        "error Name(NotFound { path: \"/nowhere/at/all\" })",
    );
    let before = Census::of(client.pid());
    for _ in 0..6 {
        let directory = Directory::new("death");
        let mut server = server(&directory);
        open(&mut client, &directory, "control");
        for _ in 0..3 {
            client.ask("call control ehello", "reply hello");
        }
        server.kill();
        // Whether the call or the watcher comes first is chance.
        let heard = client.query("call control ehello");
        assert!(heard.ends_with(" NotExecuted"), "{heard}");
        client.ask("close control", "closed");
        // The watcher stays, with the set that it waits for.
        Census::settle(client.pid(), "of a dead server", |now| {
            now.mappings == 0
                && now.descriptors() == before.descriptors() + 1
                && now.threads == before.threads + 1
        });
    }
}
