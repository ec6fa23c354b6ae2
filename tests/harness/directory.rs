//! A directory of the test's own.

use std::path::{Path, PathBuf};

/// A fresh directory, removed with everything in it when dropped.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Makes it; the name helps to find it in a listing of processes.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let template = std::env::temp_dir().join(format!("doors-{name}-XXXXXX"));
        Self(nix::unistd::mkdtemp(&template).expect("make a test directory"))
    }

    /// A path in it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}
