//! Who calls, by the kernel's word, and who may.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use doors::Door;
use harness::{Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const REFUSED: &str = "error NotAllowed";

/// A directory into which anybody may look, and a server in it.
struct Scene {
    directory: Directory,
    server: Peer,
}

impl Scene {
    fn new(name: &str, words: &[&str]) -> Self {
        Self::of(name, Command::new(PEER), words)
    }

    /// With a command that starts the peer's program in some other surroundings.
    fn of(name: &str, mut command: Command, words: &[&str]) -> Self {
        let directory = Directory::new(name);
        let open = PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(directory.path(), open).unwrap();
        command.arg("threads-server").arg(directory.join("door"));
        command.args(words);
        let server = Peer::start_command(command);
        Self { directory, server }
    }

    fn ready(mut self) -> Self {
        self.server.expect("ready");
        self
    }

    fn path(&self) -> PathBuf {
        self.directory.join("door")
    }

    /// A client with these ids which has opened the door as its number 0.
    fn client(&self, words: &[&str]) -> Client {
        self.client_of(Command::new(PEER), words)
    }

    fn client_of(&self, mut command: Command, words: &[&str]) -> Client {
        command.arg("threads-client").args(words);
        let mut client = Client(Peer::start_command(command));
        client.0.expect("ready");
        client.open(&self.path());
        client
    }

    fn door(&self) -> Door {
        Door::open(self.path()).unwrap()
    }

    fn refused(&self) -> u64 {
        self.door().info().unwrap().figures.unwrap().refused
    }
}

/// A client that does what it is told.
struct Client(Peer);

impl Client {
    fn ask(&mut self, line: &str) -> String {
        self.0.say(line);
        self.0.hear()
    }

    fn open(&mut self, path: &std::path::Path) {
        let answer = self.ask(&format!("open {}", path.display()));
        assert_eq!(answer, "opened");
    }

    fn pid(&self) -> u32 {
        self.0.pid()
    }
}

/// True if this test runs as the superuser; says a word otherwise.
fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: only the superuser can become somebody else");
    }
    root
}

/// What the server says of a caller with these ids.
fn known(uid: u32, gid: u32, groups: &[u32], pid: u32) -> String {
    format!("ok uid={uid} gid={gid} groups={groups:?} pid={pid} pidfd={pid}")
}

fn expect_each(client: &mut Client, commands: &[&str], answer: &str) {
    for command in commands {
        assert_eq!(client.ask(command), answer, "{command}");
    }
}

#[test]
fn a_procedure_sees_who_calls_by_the_kernels_word() {
    let _watchdog = Watchdog::new("who calls");
    let scene = Scene::new("who", &[]).ready();
    let me = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    let mut client = scene.client(&[]);
    let own = format!("ok uid={} gid={} ", me.0, me.1);
    // The first call travels on the connection, the second through a session.
    for _ in 0..2 {
        let answer = client.ask("call 0 c");
        assert!(answer.starts_with(&own), "{answer}");
        assert!(
            answer.ends_with(&format!("pid={0} pidfd={0}", client.pid())),
            "{answer}"
        );
    }
    if !is_root() {
        return;
    }
    for (uid, gid, groups) in [(51_001, 51_002, "51003,51004"), (65_534, 65_534, "65534")] {
        let words = [
            format!("uid={uid}"),
            format!("gid={gid}"),
            format!("groups={groups}"),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut client = scene.client(&words);
        let groups: Vec<u32> = groups.split(',').map(|g| g.parse().unwrap()).collect();
        let answer = known(uid, gid, &groups, client.pid());
        expect_each(&mut client, &["call 0 c", "call 0 c", "call 0 r"], &answer);
    }
}

#[test]
fn the_ids_that_a_client_takes_later_show_when_they_are_asked_for() {
    let _watchdog = Watchdog::new("refresh");
    if !is_root() {
        return;
    }
    let scene = Scene::new("refresh", &[]).ready();
    let mut client = scene.client(&["groups=51010", "gid=51011"]);
    let pid = client.pid();
    let before = known(0, 51_011, &[51_010], pid);
    expect_each(&mut client, &["call 0 c", "call 0 c", "call 0 r"], &before);
    assert_eq!(client.ask("setresuid 51012"), "changed");
    // The session was begun by the superuser; who wants to know better asks.
    assert_eq!(client.ask("call 0 c"), before);
    assert_eq!(
        client.ask("call 0 r"),
        known(51_012, 51_011, &[51_010], pid)
    );
}

#[test]
fn a_door_that_was_passed_on_shows_its_receiver_as_the_caller() {
    let _watchdog = Watchdog::new("passed");
    if !is_root() {
        return;
    }
    let scene = Scene::new("passed", &["access=uid:0,uid:51020"]).ready();
    for (uid, admitted) in [(51_020, true), (51_021, false)] {
        let word = format!("uid={uid}");
        let receiver = Scene::new("receiver", &[&word]).ready();
        // The giver is admitted, and gives a reference of its own to the receiver, which calls.
        let mut giver = scene.client(&[]);
        giver.open(&receiver.path());
        let expected = if admitted {
            known(uid, 0, &groups_of_this_process(), receiver.server.pid())
        } else {
            "ok NotAllowed".to_owned()
        };
        expect_each(&mut giver, &["pass 0 1", "pass 0 1"], &expected);
        // The giver itself is known as before.
        let own = known(0, 0, &groups_of_this_process(), giver.pid());
        expect_each(&mut giver, &["call 0 c", "call 0 c"], &own);
    }
}

/// What the children of this process inherit.
fn groups_of_this_process() -> Vec<u32> {
    let mut groups: Vec<u32> = nix::unistd::getgroups()
        .unwrap()
        .iter()
        .map(|group| group.as_raw())
        .collect();
    groups.sort_unstable();
    groups
}

#[test]
fn every_way_to_a_door_asks_its_policy_and_counts_the_refusals() {
    let _watchdog = Watchdog::new("policy");
    if !is_root() {
        return;
    }
    let scene = Scene::new("policy", &["access=uid:0,uid:51030,gid:51031,even"]).ready();
    let refused = scene.refused();
    assert_eq!(refused, 0);
    let admitted: [&[&str]; 4] = [
        &["uid=51030"],
        &["uid=51033", "gid=51031"],
        &["uid=51033", "groups=51031"],
        &["uid=51036"],
    ];
    for words in admitted {
        let words: Vec<&str> = words.iter().rev().copied().collect();
        let mut client = scene.client(&words);
        for command in ["call 0 t", "call 0 t"] {
            let answer = client.ask(command);
            assert!(answer.starts_with("ok "), "{words:?}: {answer}");
        }
        assert_eq!(client.ask("info 0"), "ok");
        assert_eq!(client.ask("copy 0"), "ok");
    }
    assert_eq!(scene.refused(), 0);
    let mut client = scene.client(&["uid=51033", "gid=51034", "groups=51035"]);
    // The first call, a session, information, another reference.
    expect_each(&mut client, &["call 0 t", "call 0 t"], REFUSED);
    expect_each(&mut client, &["info 0", "copy 0"], REFUSED);
    assert_eq!(scene.refused(), 4);
}

#[test]
fn a_further_door_of_a_session_asks_its_own_policy() {
    let _watchdog = Watchdog::new("register");
    if !is_root() {
        return;
    }
    let directory = Directory::new("public");
    let open = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let public = directory.join("public");
    let word = format!("public={}", public.display());
    let scene = Scene::new("register", &["access=uid:0", &word]).ready();
    let mut client = Client(Peer::start(PEER, "threads-client", &["uid=51040"]));
    client.0.expect("ready");
    // A session through the door that is for anyone; then the other door is to be registered in it.
    client.open(&public);
    assert!(client.ask("call 0 t").starts_with("ok "));
    assert!(client.ask("call 0 t").starts_with("ok "));
    client.open(&scene.path());
    expect_each(&mut client, &["call 1 t", "call 1 t"], REFUSED);
    assert!(client.ask("call 0 t").starts_with("ok "));
}

#[test]
fn a_name_can_narrow_the_policy_of_its_door() {
    let _watchdog = Watchdog::new("name policy");
    if !is_root() {
        return;
    }
    let words = [
        "access=uid:0,uid:51050,uid:51051",
        "attach-access=uid:51050,uid:51052",
    ];
    let scene = Scene::new("narrow", &words).ready();
    for (uid, admitted) in [(51_050, true), (51_051, false), (51_052, false)] {
        let word = format!("uid={uid}");
        let mut client = scene.client(&[&word]);
        for command in ["call 0 t", "call 0 t", "info 0", "copy 0"] {
            let answer = client.ask(command);
            if admitted {
                assert!(answer.starts_with("ok"), "{uid}: {answer}");
            } else {
                assert_eq!(answer, REFUSED, "{uid}: {command}");
            }
        }
    }
    // A reference that the server hands out itself is not of that name.
    let mut client = scene.client(&["uid=51050"]);
    assert_eq!(client.ask("call 0 d"), "ok door");
    assert_eq!(client.ask("received"), "opened");
    assert!(client.ask("call 1 t").starts_with("ok "));
}

#[test]
fn a_name_belongs_to_whom_it_was_given() {
    let _watchdog = Watchdog::new("owner");
    if !is_root() {
        return;
    }
    let scene = Scene::new("owner", &["owner=51060", "group=51061", "mode=432"]).ready();
    let found = std::fs::metadata(scene.path()).unwrap();
    assert_eq!(
        (found.uid(), found.gid(), found.mode() & 0o777),
        (51_060, 51_061, 0o660)
    );
    let mut owner = scene.client(&["uid=51060"]);
    assert!(owner.ask("call 0 t").starts_with("ok "));
}

/// The peer's program under unshare(1), if that works here.
fn unshared(arguments: &[&str]) -> Option<Command> {
    let works = Command::new("unshare").args(arguments).arg("true").output();
    if !works.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: unshare {arguments:?} does not work here");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(arguments).arg(PEER);
    Some(command)
}

#[test]
fn a_caller_from_outside_the_pid_namespace_is_unknown_and_refused() {
    let _watchdog = Watchdog::new("pid namespace");
    let arguments = [
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
    ];
    let arguments = if is_root() {
        &arguments[2..]
    } else {
        &arguments[..]
    };
    for (word, answer) in [("access=anyone", REFUSED), ("access=unknown", "ok unknown")] {
        let Some(command) = unshared(arguments) else {
            return;
        };
        let scene = Scene::of("outside", command, &[word]).ready();
        let mut client = scene.client(&[]);
        expect_each(&mut client, &["call 0 c", "call 0 c"], answer);
        // Our own process is as unknown to it, and the refusals could not be asked for otherwise.
        if word == "access=unknown" {
            assert_eq!(scene.refused(), 0);
        }
    }
}

#[test]
fn a_caller_without_a_name_in_the_user_namespace_is_unknown_and_refused() {
    let _watchdog = Watchdog::new("user namespace");
    if !is_root() {
        return;
    }
    let arguments = ["--user", "--map-root-user"];
    for (word, answer) in [("access=anyone", REFUSED), ("access=unknown", "ok unknown")] {
        let Some(command) = unshared(&arguments) else {
            return;
        };
        let scene = Scene::of("unmapped", command, &[word]).ready();
        // uid 51070 has no name there, and shows as 65534; never as uid 0.
        for uid in ["uid=51070", "uid=65534"] {
            let mut client = scene.client(&[uid]);
            expect_each(&mut client, &["call 0 c", "call 0 c"], answer);
        }
        if word == "access=anyone" {
            // The one user that has a name there is known.
            let mut client = scene.client(&[]);
            for _ in 0..2 {
                let heard = client.ask("call 0 c");
                assert!(heard.starts_with("ok uid=0 "), "{heard}");
            }
        }
    }
}

#[test]
fn a_client_that_is_root_in_its_own_namespace_only_is_whom_it_is_outside() {
    let _watchdog = Watchdog::new("namespaced client");
    let Some(command) = unshared(&["--user", "--map-root-user"]) else {
        return;
    };
    let scene = Scene::new("inside", &[]).ready();
    let mut client = if is_root() {
        // Somebody who becomes root in a namespace of their own.
        let mut command = Command::new("setpriv");
        command.args(["--reuid=51080", "--regid=51081", "--clear-groups"]);
        command.args(["unshare", "--user", "--map-root-user", PEER]);
        scene.client_of(command, &[])
    } else {
        scene.client_of(command, &[])
    };
    let uid = if is_root() {
        51_080
    } else {
        nix::unistd::geteuid().as_raw()
    };
    for _ in 0..2 {
        let answer = client.ask("call 0 c");
        assert!(answer.starts_with(&format!("ok uid={uid} ")), "{answer}");
    }
}

#[test]
fn every_refusal_is_an_event() {
    let _watchdog = Watchdog::new("events");
    let uid = nix::unistd::geteuid().as_raw();
    // Nobody is admitted: the rule names somebody else.
    let word = format!("access=uid:{}", uid.wrapping_add(1));
    let mut scene = Scene::new("events", &["trace", &word]).ready();
    let mut client = scene.client(&[]);
    for command in ["call 0 t", "call 0 t", "info 0", "copy 0"] {
        assert_eq!(client.ask(command), REFUSED);
        let event = scene.server.hear();
        assert!(event.starts_with("event WARN "), "{event}");
        assert!(event.contains("a caller was refused"), "{event}");
        let who = format!(
            "caller with uid {uid} (pid {}) is not admitted",
            client.pid()
        );
        assert!(event.contains(&who), "{event}");
    }
}
