//! The directory of a run.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Result;

/// A fresh directory, removed when dropped and when a signal ends the run.
#[derive(Debug)]
pub(crate) struct Stage {
    path: PathBuf,
    /// A signal ends the run.
    ending: Arc<OnceLock<()>>,
}

impl Stage {
    pub(crate) fn new() -> Result<Self> {
        let path = nix::unistd::mkdtemp(&place().join("doors-bench-XXXXXX"))?;
        let ending = Arc::new(OnceLock::new());
        let stage = Self {
            path: path.clone(),
            ending: Arc::clone(&ending),
        };
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                // Nobody has set it before: this is the only thread that does.
                let _first = ending.set(());
                remove(&path);
                // The other processes end with this one.
                std::process::exit(signal.saturating_add(128));
            }
        });
        Ok(stage)
    }

    /// Whether a signal ends the run; then this process ends soon, and what fails meanwhile is no news.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.get().is_some()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory in it.
    pub(crate) fn room(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir(&path)?;
        Ok(path)
    }
}

/// Where directories of runs are made: where the user wants temporary files, else in memory if possible. The shared
/// memory of the floors lies there, and no disk shall have a part in the figures.
fn place() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && shared.is_dir() {
        shared.to_owned()
    } else {
        std::env::temp_dir()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes the directory, although servers may still be making names in it. They cannot once it is gone.
pub(crate) fn remove(path: &Path) {
    for _ in 0..1000 {
        if let Ok(()) = std::fs::remove_dir_all(path) {
            return;
        }
        if !path.exists() {
            return;
        }
        thread::yield_now();
    }
}
