//! The steps of the demonstration, as the process sees them that directs the others.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use doors::{Door, DoorCondition, NameError};

use super::actor::Actor;
use super::digest::digest;
use super::report::Step;
use super::server::BUFFER_BYTES;
use super::stage::Stage;
use crate::failure::{Failure, Outcome};
use crate::figures::{count, duration};

/// The user that has nothing: `nobody` on every distribution.
const NOBODY: u32 = 65_534;

/// The demonstration as far as it has got.
#[derive(Debug)]
pub(crate) struct Play<'a> {
    stage: &'a Stage,
    files: Vec<PathBuf>,
    server: Option<Actor>,
    client: Option<Actor>,
}

/// What was seen against what a door promises.
fn demand(held: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if held {
        Ok(())
    } else {
        Err(Failure::new(otherwise()))
    }
}

impl<'a> Play<'a> {
    pub(crate) fn new(stage: &'a Stage, files: Vec<PathBuf>) -> Self {
        Self {
            stage,
            files,
            server: None,
            client: None,
        }
    }

    pub(crate) fn serve(&mut self) -> Outcome<Step> {
        let (server, door) = self.start_server()?;
        let pid = server.pid();
        self.server = Some(server);
        let found = std::fs::symlink_metadata(&door)
            .map_err(|error| Failure::file("look at", &door, &error))?;
        let mode = found.permissions().mode() & 0o777;
        demand(mode == 0o600, || {
            format!("the mode of the name is {mode:o}")
        })?;
        let info = crate::open::open(&door)?
            .info()
            .map_err(|error| Failure::door("ask", &door, &error))?;
        demand(info.target == i32::try_from(pid).ok(), || {
            format!(
                "by the kernel's word process {:?} serves the door",
                info.target
            )
        })?;
        Ok(Step::Held(vec![
            format!(
                "started process {pid}, which attached a door at {}",
                door.display()
            ),
            format!(
                "a socket of mode {mode:o}, owner {}; by the kernel's word process {pid} answers there",
                found.uid()
            ),
        ]))
    }

    pub(crate) fn open(&mut self) -> Outcome<Step> {
        let mut client = self.start_client(&[])?;
        client.ask("open", "opened")?;
        let pid = client.pid();
        self.client = Some(client);
        Ok(Step::Held(vec![format!(
            "started process {pid}, which opened the door"
        )]))
    }

    pub(crate) fn call(&mut self) -> Outcome<Step> {
        let client = client(&mut self.client)?;
        let said = client.ask("greet", "greeted")?;
        let uid = nix::unistd::geteuid().as_raw();
        let expected = format!("{} {uid}", client.pid());
        demand(said == expected, || {
            format!("the server takes its caller for {said}")
        })?;
        Ok(Step::Held(vec![format!(
            "the server answered that process {} of user {uid} had called",
            client.pid()
        )]))
    }

    pub(crate) fn files(&mut self) -> Outcome<Step> {
        let client = client(&mut self.client)?;
        let mut lines = Vec::new();
        for (number, path) in self.files.iter().enumerate() {
            let since = Instant::now();
            let said = client.ask(&format!("file {number}"), "digest")?;
            let took = since.elapsed();
            let ours = File::open(path).and_then(|file| digest(&file));
            let ours = ours.map_err(|error| Failure::file("read", path, &error))?;
            let shown = path.display();
            demand(said == ours, || {
                format!(
                    "the server has {said} for {shown}, and we have {ours}; has the file changed meanwhile?"
                )
            })?;
            let (len, hex) = said.split_once(' ').unwrap_or((&said, ""));
            let len = count(len.parse().unwrap_or(0));
            lines.push(format!(
                "{shown}: {len} bytes, read in the server in {}",
                duration(took)
            ));
            lines.push(format!("sha256 {hex}, the same as computed here"));
        }
        Ok(Step::Held(lines))
    }

    pub(crate) fn counter(&mut self) -> Outcome<Step> {
        let said = client(&mut self.client)?.ask("counter", "counter")?;
        demand(said == "1 2 3", || format!("the new door counted {said}"))?;
        Ok(Step::Held(vec![
            "the reply brought the descriptor of a door made for this client alone".into(),
            "three calls to it: it counted 1, 2, 3; the client keeps it".into(),
        ]))
    }

    pub(crate) fn reply(&mut self) -> Outcome<Step> {
        let client = client(&mut self.client)?;
        client.ask("reply", "called")?;
        server(&mut self.server)?.hear("freed")?;
        let said = client.ask("release", "returned")?;
        demand(said == "true true", || {
            let (waited, intact) = said.split_once(' ').unwrap_or((&said, ""));
            format!(
                "the client had waited for the door_return: {waited}; the answer was intact: {intact}"
            )
        })?;
        Ok(Step::Held(vec![
            format!(
                "the server handed {} bytes over, overwrote and freed them, and kept the call",
                count(u64::try_from(BUFFER_BYTES).unwrap_or(u64::MAX))
            ),
            "only after its door_return did the client go on, with the original bytes".into(),
        ]))
    }

    pub(crate) fn refuse(&mut self) -> Outcome<Step> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(Step::Skipped(
                "only root can become another user; try with sudo".into(),
            ));
        }
        let mut stranger = self.start_actor(&["--uid".into(), NOBODY.to_string().into()])?;
        let first = stranger.listen()?;
        if first != "ready" {
            return Ok(Step::Skipped(first));
        }
        // First a door for everybody: that user gets as far as the names.
        let open = ask(&mut stranger, "try open")?;
        if open.starts_with("mode ") {
            let place = self.stage.path().display();
            return Ok(Step::Skipped(format!("user {NOBODY} cannot reach {place}")));
        }
        demand(open == "admitted", || {
            format!("the door for everybody: {open}")
        })?;
        let by_mode = ask(&mut stranger, "try door")?;
        demand(by_mode.starts_with("mode "), || {
            format!("the door of mode 600: {by_mode}")
        })?;
        let by_policy = ask(&mut stranger, "try guarded")?;
        demand(by_policy.starts_with("policy "), || {
            format!("the door for the server's user alone: {by_policy}")
        })?;
        Ok(Step::Held(vec![
            format!("process {} became user {NOBODY}; a door of mode 666 admits it", stranger.pid()),
            "refused by the mode: the name of mode 600 cannot be opened".into(),
            "refused by the server's policy (Access::only_me): opened, but the call was not executed".into(),
        ]))
    }

    pub(crate) fn kill_client(&mut self) -> Outcome<Step> {
        let server = server(&mut self.server)?;
        let mut client = self
            .client
            .take()
            .ok_or_else(|| Failure::new("there is no client"))?;
        if let Some(early) = server.unheard() {
            return Err(Failure::new(format!("the server said too early: {early}")));
        }
        let since = Instant::now();
        client.kill()?;
        server.hear("unreferenced")?;
        Ok(Step::Held(vec![format!(
            "SIGKILL for process {}; {} later the server was told that nobody holds the door",
            client.pid(),
            duration(since.elapsed())
        )]))
    }

    pub(crate) fn kill_server(&mut self) -> Outcome<Step> {
        let mut client = self.start_client(&[])?;
        client.ask("open", "opened")?;
        client.tell("forever")?;
        let mut server = self
            .server
            .take()
            .ok_or_else(|| Failure::new("there is no server"))?;
        server.hear("serving")?;
        let since = Instant::now();
        server.kill()?;
        let said = client.hear("died")?;
        let took = since.elapsed();
        let door = self.stage.join("door");
        let left = Door::open(&door).err();
        demand(
            matches!(
                left.as_ref().map(doors::DoorError::condition),
                Some(DoorCondition::Name(NameError::NoServer { .. }))
            ),
            || "the name that the dead server left can be opened".into(),
        )?;
        Ok(Step::Held(vec![
            format!(
                "SIGKILL for process {}, which was serving process {}",
                server.pid(),
                client.pid()
            ),
            format!("{} later the call returned: {said}", duration(took)),
            "the name is still there, but nobody is behind it".into(),
        ]))
    }

    pub(crate) fn measure(&mut self) -> Outcome<Step> {
        let (server, door) = self.start_server()?;
        let pid = server.pid();
        self.server = Some(server);
        let said = self.start_client(&[])?.ask("latency", "latency")?;
        let times: Vec<Duration> = said
            .split(' ')
            .filter_map(|nanos| nanos.parse().ok().map(Duration::from_nanos))
            .collect();
        let [door_p50, door_p99, stream_p50, stream_p99] = times[..] else {
            return Err(Failure::new(format!("the client measured: {said}")));
        };
        Ok(Step::Held(vec![
            format!("process {pid} took over the name {}", door.display()),
            format!(
                "8 bytes there and back: door p50 {}, p99 {}; unix stream socket p50 {}, p99 {}: {:.1} times as fast",
                duration(door_p50),
                duration(door_p99),
                duration(stream_p50),
                duration(stream_p99),
                stream_p50.as_secs_f64() / door_p50.as_secs_f64()
            ),
        ]))
    }

    fn start_server(&self) -> Outcome<(Actor, PathBuf)> {
        let mut server = Actor::start("server", [self.stage.path()])?;
        server.hear("ready")?;
        Ok((server, self.stage.join("door")))
    }

    fn start_client(&self, options: &[OsString]) -> Outcome<Actor> {
        let mut client = self.start_actor(options)?;
        client.hear("ready")?;
        Ok(client)
    }

    fn start_actor(&self, options: &[OsString]) -> Outcome<Actor> {
        let mut arguments: Vec<&OsStr> = options.iter().map(OsString::as_os_str).collect();
        arguments.push("--".as_ref());
        arguments.push(self.stage.path().as_os_str());
        arguments.extend(self.files.iter().map(|file| file.as_os_str()));
        Actor::start("client", arguments)
    }
}

fn client(client: &mut Option<Actor>) -> Outcome<&mut Actor> {
    client
        .as_mut()
        .ok_or_else(|| Failure::new("there is no client"))
}

fn server(server: &mut Option<Actor>) -> Outcome<&mut Actor> {
    server
        .as_mut()
        .ok_or_else(|| Failure::new("there is no server"))
}

/// Whatever it answers.
fn ask(actor: &mut Actor, line: &str) -> Outcome<String> {
    actor.tell(line)?;
    actor.listen()
}
