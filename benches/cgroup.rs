//! A memory cgroup of one process: what the kernel charges to it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use crate::Result;
use crate::statistics::float;

/// A fresh cgroup below our own. Removed when dropped, if nothing lives in it any more.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    /// The file with the bytes in use.
    figure: &'static str,
}

impl Cgroup {
    /// One of version 2, or of version 1.
    ///
    /// # Errors
    /// Why there can be none: no rights, or no memory controller here.
    pub(crate) fn new() -> Result<Self> {
        let ours = fs::read_to_string("/proc/self/cgroup")?;
        // `0::/path` is version 2, `4:memory:/path` version 1 (cgroups(7)).
        let path_of = |wanted: &str| {
            let mut lines = ours.lines().filter_map(|line| line.split_once(':'));
            lines.find_map(|(_, rest)| {
                let (controllers, path) = rest.split_once(':')?;
                let found = controllers.split(',').any(|one| one == wanted);
                found.then(|| path.trim_start_matches('/').to_owned())
            })
        };
        let root = Path::new("/sys/fs/cgroup");
        if let Some(path) = path_of("memory") {
            let parent = root.join("memory").join(path);
            return Self::below(&parent, "memory.usage_in_bytes");
        }
        let path = path_of("").ok_or("this process is in no cgroup")?;
        Self::below(&root.join(path), "memory.current")
    }

    fn below(parent: &Path, figure: &'static str) -> Result<Self> {
        let path = parent.join(format!("doors-bench-{}", std::process::id()));
        fs::create_dir(&path)?;
        let group = Self { path, figure };
        group.bytes()?;
        Ok(group)
    }

    /// Takes a process in.
    pub(crate) fn enter(&self, pid: Pid) -> Result<()> {
        Ok(fs::write(self.path.join("cgroup.procs"), pid.to_string())?)
    }

    /// What is charged to it.
    pub(crate) fn bytes(&self) -> Result<f64> {
        let text = fs::read_to_string(self.path.join(self.figure))?;
        Ok(float(text.trim().parse()?))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // One that is still in use stays; the kernel says EBUSY.
        let _left = fs::remove_dir(&self.path);
    }
}
