//! The directory in which the demonstration takes place.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Failure, Outcome};

/// A fresh directory, removed when dropped and when a signal ends the demonstration.
#[derive(Debug)]
pub(crate) struct Stage(PathBuf);

impl Stage {
    pub(crate) fn new() -> Outcome<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
            .map_err(|error| Failure::new(format!("cannot receive signals: {error}")))?;
        let template = std::env::temp_dir().join("doors-demo-XXXXXX");
        let made = nix::unistd::mkdtemp(&template);
        let path = made.map_err(|error| Failure::file("make", &template, &error.into()))?;
        let stage = Self(path.clone());
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                let _left = std::fs::remove_dir_all(&path);
                // The processes of the demonstration end when their input does.
                std::process::exit(signal.saturating_add(128));
            }
        });
        // Another user has to come as far as the names, to be refused there.
        std::fs::set_permissions(&stage.0, Permissions::from_mode(0o711))
            .map_err(|error| Failure::file("open up", &stage.0, &error))?;
        Ok(stage)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be removed now is left to the system's own cleaning.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}
