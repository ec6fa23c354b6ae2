//! A look at all doors of the host.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use doors::{Door, DoorAttributes, DoorCondition, DoorError, DoorInfo, NameError};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome, chain};
use crate::figures::below_micros;

/// Servers asked at once: one that is stopped keeps its asker for seconds.
const AT_ONCE: usize = 32;

/// The parameter of a door that takes as many descriptors as any call may bring.
const ANY_DESCRIPTORS: u32 = i32::MAX.unsigned_abs();

/// What one name told.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) path: PathBuf,
    pub(crate) seen: Result<DoorInfo, String>,
    /// The user of the server process; of a door that tells nothing, the owner of its name.
    pub(crate) uid: Option<u32>,
}

/// Looks at every live door, sorted by path.
pub(crate) fn look() -> Outcome<Vec<Sight>> {
    let mut paths = doors::live_names()
        .map_err(|error| Failure::new(format!("cannot list the doors: {}", chain(&error))))?;
    paths.sort();
    paths.dedup();
    let mut sights = Vec::with_capacity(paths.len());
    for some in paths.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let askers: Vec<_> = some.iter().map(|path| scope.spawn(|| ask(path))).collect();
            for (asker, path) in askers.into_iter().zip(some) {
                // An asker does not panic; if it does, that door is left out and the others are not.
                sights.extend(
                    asker
                        .join()
                        .unwrap_or_else(|_| Some(silent(path, "unknown"))),
                );
            }
        });
    }
    Ok(sights)
}

fn ask(path: &Path) -> Option<Sight> {
    if path.starts_with("/proc") {
        // What its server bound it by; it means another file, or none, to everybody else.
        return Some(silent(path, "its path is too long for the kernel to tell"));
    }
    match Door::open(path).and_then(|door| door.info()) {
        Ok(info) => Some(Sight {
            uid: info.target.and_then(user_of).or_else(|| owner_of(path)),
            path: path.to_owned(),
            seen: Ok(info),
        }),
        Err(error) => refusal(&error).map(|why| silent(path, why)),
    }
}

fn silent(path: &Path, why: &str) -> Sight {
    Sight {
        path: path.to_owned(),
        uid: owner_of(path),
        seen: Err(why.to_owned()),
    }
}

/// Why a door tells nothing, in a few words; `None` if it ended between the two looks.
fn refusal(error: &DoorError) -> Option<&'static str> {
    Some(match error.condition() {
        DoorCondition::Name(NameError::NoServer { .. }) | DoorCondition::NoDoor => return None,
        DoorCondition::Name(NameError::Permission { .. }) => "not permitted by its mode",
        DoorCondition::NotAllowed => "not permitted by its server",
        DoorCondition::Name(NameError::NotFound { .. }) => {
            "no longer under this name, or in another mount namespace"
        }
        DoorCondition::NotResponding { .. } | DoorCondition::Name(NameError::TimedOut { .. }) => {
            "its server does not answer"
        }
        DoorCondition::NoRoom => "its server is short of room",
        DoorCondition::Protocol(_) => "not a door of this version",
        _ => "cannot be asked",
    })
}

fn owner_of(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path)
        .ok()
        .map(|found| found.uid())
}

/// The effective user of a process. Not the owner of its directory in `/proc`, which is root for a process that may
/// not be dumped (proc(5)).
pub(crate) fn user_of(pid: i32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().nth(1)?.parse().ok()
}

/// The names of the attributes.
pub(crate) fn names(attributes: DoorAttributes) -> Vec<&'static str> {
    attributes.iter_names().map(|(name, _)| name).collect()
}

/// What a door told, for programs. What is not known, and what has no limit, is null.
pub(crate) fn json(path: &Path, uid: Option<u32>, info: &DoorInfo) -> Value {
    let figures = info.figures.as_ref();
    let params = figures.map(|_| info.params);
    let below = |percent| figures.and_then(|f| below_micros(&f.histogram, percent));
    json!({
        "path": path.to_string_lossy(),
        "id": format!("{:016x}", info.id),
        "pid": info.target,
        "uid": uid,
        "attributes": names(info.attributes),
        "calls": figures.map(|f| f.calls),
        "active": figures.map(|f| f.active),
        "refused": figures.map(|f| f.refused),
        "oldest_call_us": figures.and_then(|f| micros(f.oldest_call)),
        "p50_below_us": below(50),
        "p99_below_us": below(99),
        "sessions": figures.map(|f| f.sessions),
        "references": figures.map(|f| f.references),
        "threads": figures.map(|f| f.threads),
        "followed": figures.map(|f| f.followed),
        "parted": figures.map(|f| f.parted),
        "desc_max": params.map(|p| p.desc_max).filter(|max| *max != ANY_DESCRIPTORS),
        "data_min": params.map(|p| p.data_min),
        "data_max": params.map(|p| p.data_max).filter(|max| *max != u64::MAX),
    })
}

/// A duration in whole microseconds; none if there is no such number.
pub(crate) fn micros(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_micros()).ok()
}
