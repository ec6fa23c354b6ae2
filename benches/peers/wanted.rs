//! What was said on the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use doors_bench::{Result, WORKS, Work, find, limits};

/// What is to be measured, and where it is to be written.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) works: Vec<&'static Work>,
    pub(crate) quick: bool,
    /// Only what limits compare.
    pub(crate) limits: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) html: Option<PathBuf>,
    pub(crate) markdown: Option<PathBuf>,
}

impl Wanted {
    pub(crate) fn of(arguments: Vec<OsString>) -> Result<Self> {
        let mut wanted = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut file = || arguments.next().map(PathBuf::from).ok_or_else(usage);
            match argument.to_str() {
                Some("--quick") => wanted.quick = true,
                Some("--limits") => wanted.limits = true,
                Some("--json") => wanted.json = Some(file()?),
                Some("--html") => wanted.html = Some(file()?),
                Some("--markdown") => wanted.markdown = Some(file()?),
                name => wanted.works.push(name.and_then(find).ok_or_else(usage)?),
            }
        }
        if wanted.quick && wanted.markdown.is_some() {
            return Err("--markdown writes a record, and --quick makes no figures to rely on".into());
        }
        if wanted.works.is_empty() {
            wanted.works.extend(WORKS);
        }
        if wanted.limits {
            let is_limited = |work: &&Work| limits::FAR_WORKS.contains(&work.name);
            wanted.works.retain(is_limited);
        }
        Ok(wanted)
    }
}

fn usage() -> String {
    let names: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
    format!(
        "usage: peers [{}]... [--quick] [--limits] [--json FILE] [--html FILE] [--markdown FILE]",
        names.join("|")
    )
}
