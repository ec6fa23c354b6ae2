//! Asking about a door, from any process that holds a descriptor of it.

use std::time::Duration;

use crate::attributes::DoorAttributes;
use crate::client::petition::Petition;
use crate::door::{Door, Inner, Remote};
use crate::error::{DoorCondition, DoorError, Violation};
use crate::params::DoorParams;
use crate::primitive::Ordering;
use crate::server::core::Core;
use crate::server::runtime::Runtime;
use crate::sys::fork;
use crate::wire::message::Message;

/// What a door tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "door_info_t")]
pub struct DoorInfo {
    /// The process that serves the door, by the kernel's word; `None` once it has exited (-1 in C).
    #[doc(alias = "di_target")]
    pub target: Option<i32>,
    /// The attributes at this moment, with LOCAL, REVOKED and `IS_UNREF` as they stand.
    #[doc(alias = "di_attributes")]
    pub attributes: DoorAttributes,
    /// The number that no other door of this host has.
    #[doc(alias = "door_id_t")]
    #[doc(alias = "di_uniquifier")]
    pub id: u64,
    /// The parameters.
    pub params: DoorParams,
    /// Figures of a running door; `None` once the server has exited.
    pub figures: Option<DoorFigures>,
}

/// Figures of a running door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoorFigures {
    /// Calls that have begun to be executed since the door was made, those that run among them.
    pub calls: u64,
    /// Calls that are being executed.
    pub active: u32,
    /// Calls and sessions that the access policy refused.
    pub refused: u64,
    /// Client processes with a session in the server.
    pub sessions: u32,
    /// References: handed-out descriptors, connections and names.
    pub references: u32,
    /// Threads of the door's pool.
    pub threads: u32,
    /// How long the oldest running call has been running; zero if none is.
    pub oldest_call: Duration,
    /// How long each running call has been running, on a thread or held, the oldest first: of more than 64 the oldest
    /// 64. In steps of some milliseconds.
    pub ages: Vec<Duration>,
    /// How often a server thread began to follow its caller's processor, because the caller paused between calls.
    pub followed: u64,
    /// How often a server thread left its caller's processor, because calls came back to back.
    pub parted: u64,
    /// Durations of the server procedure for one call in 64: element n counts those below 2^(n+1) us.
    pub histogram: Vec<u64>,
}

impl Door {
    /// Asks about the door. Works on revoked doors; one whose server has exited still tells its id, if this process has
    /// learnt it before: by asking, or with a session.
    ///
    /// # Blocking
    /// At most 5 s for a server that is stopped; busy server threads do not matter.
    ///
    /// # Errors
    /// [`DoorCondition::NoDoor`] (EBADF) if the server has exited and the id is not known here;
    /// [`DoorCondition::NotResponding`] (EAGAIN), [`DoorCondition::NotAllowed`] (EACCES); [`DoorCondition::NotCreator`] for a door
    /// that the parent of a forked child created.
    ///
    /// # Examples
    /// ```
    /// use doors::{Door, DoorAttributes};
    ///
    /// let door = Door::create(|call| call.door_return(&[], vec![]), DoorAttributes::empty())?;
    /// door.call(&[], vec![])?;
    /// let info = door.info()?;
    /// assert_eq!(info.target, i32::try_from(std::process::id()).ok());
    /// assert!(info.attributes.contains(DoorAttributes::LOCAL));
    /// let figures = info.figures.unwrap_or_default();
    /// assert_eq!(figures.calls, 1);
    /// for age in &figures.ages {
    ///     println!("a call has been running for {age:?}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_info")]
    pub fn info(&self) -> Result<DoorInfo, DoorError> {
        let told = match &*self.inner {
            Inner::Own(own) if own.core.life == fork::life() => {
                let sessions = Runtime::existing().map_or(0, |runtime| runtime.sessions().len());
                Ok(of_core(
                    &own.core,
                    u32::try_from(sessions).unwrap_or(u32::MAX),
                ))
            }
            Inner::Own(_) => Err(DoorCondition::NotCreator),
            Inner::InProcess(core) => Ok(of_core(core, 0)),
            Inner::Remote(remote) => of_remote(remote),
        };
        self.named(told)
    }
}

fn of_core(core: &Core, sessions: u32) -> DoorInfo {
    let references = core.references();
    let limits = &core.limits;
    let ages = durations(&core.ages_ns());
    let (followed, parted) = core.meter.shifts();
    DoorInfo {
        target: Some(own_pid()),
        attributes: core.attributes() | DoorAttributes::LOCAL,
        id: core.id,
        params: DoorParams {
            desc_max: limits.desc_max.load(Ordering::Relaxed),
            data_min: limits.data_min.load(Ordering::Relaxed),
            data_max: limits.data_max.load(Ordering::Relaxed),
        },
        figures: Some(DoorFigures {
            calls: core.meter.calls(),
            active: u32::try_from(core.active()).unwrap_or(u32::MAX),
            refused: core.meter.refused(),
            sessions,
            references: u32::try_from(references.outside()).unwrap_or(u32::MAX),
            threads: u32::try_from(core.pool.threads()).unwrap_or(u32::MAX),
            oldest_call: ages.first().copied().unwrap_or_default(),
            ages,
            followed,
            parted,
            histogram: core.meter.classes().to_vec(),
        }),
    }
}

fn durations(nanos: &[u64]) -> Vec<Duration> {
    nanos.iter().copied().map(Duration::from_nanos).collect()
}

/// The ages and the histogram out of the payload of an answer, whose last `ages` numbers are ages.
fn split_figures(payload: &[u8], ages: u32) -> Result<(Vec<Duration>, Vec<u64>), Violation> {
    let (numbers, rest) = payload.as_chunks();
    let ages = usize::try_from(ages).map_err(|_| Violation::Length)?;
    let classes = numbers.len().checked_sub(ages).ok_or(Violation::Length)?;
    if !rest.is_empty() {
        return Err(Violation::Length);
    }
    let mut histogram: Vec<u64> = numbers.iter().map(|b| u64::from_le_bytes(*b)).collect();
    let ages = histogram.split_off(classes);
    Ok((durations(&ages), histogram))
}

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap_or(0)
}

fn of_remote(remote: &Remote) -> Result<DoorInfo, DoorCondition> {
    let mut petition = match Petition::send(remote.to_petition(), &Message::Info {}, None) {
        Ok(petition) => petition,
        Err(DoorCondition::NoDoor) => return gone(remote),
        Err(other) => return Err(other),
    };
    let answer = match petition.receive() {
        Ok(answer) => answer,
        Err(DoorCondition::NoDoor) => return gone(remote),
        Err(other) => return Err(other),
    };
    let Message::Described {
        door,
        attributes,
        desc_max,
        data_min,
        data_max,
        calls,
        active,
        sessions,
        references,
        threads,
        refused,
        ages,
        followed,
        parted,
    } = answer.message
    else {
        return Err(DoorCondition::Protocol(Violation::Turn));
    };
    let (ages, histogram) =
        split_figures(&answer.payload, ages).map_err(DoorCondition::Protocol)?;
    let (server, _private) = petition.finish()?;
    remote.learn_id(door);
    let mut attributes = DoorAttributes::from_bits_truncate(attributes);
    attributes.set(DoorAttributes::LOCAL, server.pid() == own_pid());
    Ok(DoorInfo {
        target: Some(server.pid()),
        attributes,
        id: door,
        params: DoorParams {
            desc_max,
            data_min,
            data_max,
        },
        figures: Some(DoorFigures {
            calls,
            active,
            refused,
            sessions,
            references,
            threads,
            oldest_call: ages.first().copied().unwrap_or_default(),
            ages,
            followed,
            parted,
            histogram,
        }),
    })
}

/// A door whose server is gone: what is known of it.
fn gone(remote: &Remote) -> Result<DoorInfo, DoorCondition> {
    let id = remote.known_id().ok_or(DoorCondition::NoDoor)?;
    Ok(DoorInfo {
        target: None,
        attributes: DoorAttributes::empty(),
        id,
        params: DoorParams {
            desc_max: 0,
            data_min: 0,
            data_max: 0,
        },
        figures: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ages_come_after_the_histogram() {
        let payload: Vec<u8> = [7_u64, 8, 90, 50]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        let ages = vec![Duration::from_nanos(90), Duration::from_nanos(50)];
        assert_eq!(split_figures(&payload, 2), Ok((ages, vec![7, 8])));
        assert_eq!(split_figures(&[], 0), Ok((vec![], vec![])));
    }

    #[test]
    fn a_server_that_lies_about_the_ages_is_not_believed() {
        let wrong = Err(Violation::Length);
        assert_eq!(split_figures(&[0; 16], 3), wrong);
        assert_eq!(split_figures(&[0; 16], u32::MAX), wrong);
        assert_eq!(split_figures(&[0; 17], 1), wrong);
    }
}
