//! Who may call a door.

use std::fmt;
use std::sync::Arc;

use crate::cred::{Caller, Credentials};
use crate::foreign::shielded;
use crate::sys::ids;

/// A policy that admits callers to a door. By default it is [`anyone`](Self::anyone).
///
/// It starts with a set of callers and is widened from there: whoever satisfies any of its rules is
/// admitted. Callers whose identity the kernel cannot express here ([`Caller::Unknown`]) satisfy
/// none; only [`allowing_unknown`](Self::allowing_unknown) lets them in.
///
/// # Examples
/// ```
/// use doors::Access;
///
/// let operators = Access::only_me().or_uid(0).or_group(27);
/// let even_uids = Access::no_one().or_if(|caller| caller.uid() % 2 == 0);
/// # drop((operators, even_uids));
/// ```
#[derive(Clone)]
pub struct Access {
    rules: Vec<Rule>,
    allows_unknown: bool,
}

/// One reason to admit a known caller.
#[derive(Clone)]
enum Rule {
    Anyone,
    Uid(u32),
    Group(u32),
    If(Arc<Predicate>),
}

type Predicate = dyn Fn(&Credentials) -> bool + Send + Sync;

impl Access {
    /// Admits every known caller.
    #[must_use]
    pub fn anyone() -> Self {
        Self::with(Rule::Anyone)
    }

    /// Admits callers with the effective user id that this process has now, at this call.
    ///
    /// The superuser is not among them unless this process is its own; add it with `or_uid(0)`.
    #[must_use]
    pub fn only_me() -> Self {
        Self::with(Rule::Uid(ids::effective_uid()))
    }

    /// Admits no caller: the start of a policy made of the rules that follow.
    #[must_use]
    pub fn no_one() -> Self {
        Self {
            rules: Vec::new(),
            allows_unknown: false,
        }
    }

    /// Also admits every known caller.
    #[cfg(feature = "derive")]
    pub(crate) fn or_anyone(self) -> Self {
        self.or(Rule::Anyone)
    }

    /// Also admits callers with this effective user id.
    #[must_use]
    pub fn or_uid(self, uid: u32) -> Self {
        self.or(Rule::Uid(uid))
    }

    /// Also admits callers that have this group as their effective or a supplementary one.
    #[must_use]
    pub fn or_group(self, gid: u32) -> Self {
        self.or(Rule::Group(gid))
    }

    /// Also admits callers of whom the predicate is true.
    ///
    /// Predicates are asked in their order, and only if no other rule admits the caller. One that
    /// panics refuses the caller, whatever the predicates behind it would say.
    ///
    /// They run on threads of the library, up to eight at once for each door, so that one that takes
    /// long, or calls doors (also those of this process), holds up nobody but those who wait for its
    /// verdict. While eight are stuck, others of whom predicates of this door are to be asked wait, too;
    /// other doors have threads of their own for this. A client waits 5 s for an answer of the protocol
    /// and no longer; only a first call, made right after [`Door::open`](crate::Door::open), waits as its
    /// caller says.
    #[must_use]
    pub fn or_if<P>(self, predicate: P) -> Self
    where
        P: Fn(&Credentials) -> bool + Send + Sync + 'static,
    {
        self.or(Rule::If(Arc::new(predicate)))
    }

    /// Also admits every unknown caller. The other rules say nothing about these.
    #[must_use]
    pub fn allowing_unknown(self) -> Self {
        Self {
            allows_unknown: true,
            ..self
        }
    }

    /// Decides about one caller, on the calling thread: what the library asks when a session begins, and a server
    /// procedure may ask of
    /// [`Invocation::caller`](crate::Invocation::caller) for some of its operations.
    ///
    /// # Blocking
    /// As long as the predicates take; the ids alone take no system call.
    ///
    /// # Errors
    /// The [`Refusal`] says who was refused, in words for a log.
    pub fn check(&self, caller: &Caller) -> Result<(), Refusal> {
        match (self.judge(caller), caller) {
            (Some(verdict), _) => verdict,
            (None, Caller::Known(caller)) => self.ask(caller),
            (None, Caller::Unknown) => Err(Refusal::Unknown),
        }
    }

    /// What the ids alone decide; `None` if the predicates have to be asked.
    pub(crate) fn judge(&self, caller: &Caller) -> Option<Result<(), Refusal>> {
        match caller {
            Caller::Known(caller) if self.rules.iter().any(|rule| rule.admits(caller)) => {
                Some(Ok(()))
            }
            Caller::Known(_) if self.rules.iter().any(|rule| rule.predicate().is_some()) => None,
            Caller::Known(caller) => {
                let (uid, pid) = (caller.uid(), caller.pid());
                Some(Err(Refusal::NotAdmitted { uid, pid }))
            }
            Caller::Unknown if self.allows_unknown => Some(Ok(())),
            Caller::Unknown => Some(Err(Refusal::Unknown)),
        }
    }

    /// Whether every known caller of this user is admitted, whatever its groups.
    pub(crate) fn admits_user(&self, uid: u32) -> bool {
        self.rules.iter().any(|rule| match rule {
            Rule::Anyone => true,
            Rule::Uid(admitted) => *admitted == uid,
            Rule::Group(_) | Rule::If(_) => false,
        })
    }

    /// Asks the predicates.
    fn ask(&self, caller: &Credentials) -> Result<(), Refusal> {
        let (uid, pid) = (caller.uid(), caller.pid());
        for predicate in self.rules.iter().filter_map(Rule::predicate) {
            match shielded(|| predicate(caller)) {
                Some(true) => return Ok(()),
                Some(false) => {}
                None => return Err(Refusal::Panicked { uid, pid }),
            }
        }
        Err(Refusal::NotAdmitted { uid, pid })
    }

    fn with(rule: Rule) -> Self {
        Self::no_one().or(rule)
    }

    fn or(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}

impl Default for Access {
    fn default() -> Self {
        Self::anyone()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("any_of", &self.rules)
            .field("allows_unknown", &self.allows_unknown)
            .finish()
    }
}

impl Rule {
    /// Whether the ids alone suffice.
    fn admits(&self, caller: &Credentials) -> bool {
        match self {
            Self::Anyone => true,
            Self::Uid(uid) => caller.uid() == *uid,
            Self::Group(gid) => caller.is_in_group(*gid),
            Self::If(_) => false,
        }
    }

    fn predicate(&self) -> Option<&Predicate> {
        match self {
            Self::If(predicate) => Some(predicate.as_ref()),
            Self::Anyone | Self::Uid(_) | Self::Group(_) => None,
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Uid(uid) => write!(f, "uid {uid}"),
            Self::Group(gid) => write!(f, "group {gid}"),
            Self::If(_) => f.write_str("predicate"),
        }
    }
}

/// Why a caller was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The caller belongs to a user or pid namespace that ours cannot name.
    #[error("caller of another user or pid namespace: its identity is unknown")]
    Unknown,
    /// No rule admits the caller.
    #[error("caller with uid {uid} (pid {pid}) is not admitted")]
    NotAdmitted {
        /// Its effective user id.
        uid: u32,
        /// Its process id.
        pid: i32,
    },
    /// A predicate panicked when it was asked about the caller.
    #[error("caller with uid {uid} (pid {pid}) is not admitted: a predicate panicked")]
    Panicked {
        /// Its effective user id.
        uid: u32,
        /// Its process id.
        pid: i32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(uid: u32, gid: u32, groups: &[u32]) -> Caller {
        Caller::Known(Credentials::of_test(uid, gid, groups))
    }

    fn not_admitted(uid: u32) -> Result<(), Refusal> {
        let pid = nix::unistd::getpid().as_raw();
        Err(Refusal::NotAdmitted { uid, pid })
    }

    #[test]
    fn the_default_admits_every_known_caller() {
        assert_eq!(Access::default().check(&caller(4242, 1, &[])), Ok(()));
        assert_eq!(
            Access::default().check(&caller(65_534, 65_534, &[])),
            Ok(())
        );
        assert_eq!(
            Access::default().check(&Caller::Unknown),
            Err(Refusal::Unknown)
        );
    }

    #[test]
    fn no_one_admits_no_one() {
        assert_eq!(Access::no_one().check(&caller(0, 0, &[0])), not_admitted(0));
        assert_eq!(
            Access::no_one().check(&Caller::Unknown),
            Err(Refusal::Unknown)
        );
    }

    #[test]
    fn only_me_is_this_effective_uid_without_the_superuser() {
        let me = ids::effective_uid();
        assert_eq!(Access::only_me().check(&caller(me, 7, &[])), Ok(()));
        let another = me.wrapping_add(1);
        assert_eq!(
            Access::only_me().check(&caller(another, 7, &[])),
            not_admitted(another)
        );
    }

    #[test]
    fn any_rule_suffices() {
        let access = Access::no_one()
            .or_uid(5)
            .or_group(6)
            .or_if(|caller| caller.uid() == 7);
        assert_eq!(access.check(&caller(5, 1, &[])), Ok(()));
        assert_eq!(access.check(&caller(1, 6, &[])), Ok(()));
        assert_eq!(access.check(&caller(1, 1, &[2, 6])), Ok(()));
        assert_eq!(access.check(&caller(7, 1, &[])), Ok(()));
        assert_eq!(access.check(&caller(6, 5, &[7])), not_admitted(6));
    }

    #[test]
    fn unknown_callers_are_asked_for_by_name() {
        let access = Access::no_one().or_if(|_| true).or_uid(0).or_group(0);
        assert_eq!(access.check(&Caller::Unknown), Err(Refusal::Unknown));
        assert_eq!(access.allowing_unknown().check(&Caller::Unknown), Ok(()));
        let access = Access::no_one().allowing_unknown();
        assert_eq!(access.check(&caller(1, 1, &[])), not_admitted(1));
    }

    #[test]
    fn a_predicate_that_panics_refuses() {
        let access = Access::no_one()
            .or_if(|_| panic!("a mistake"))
            .or_if(|_| true)
            .or_uid(5);
        let pid = nix::unistd::getpid().as_raw();
        assert_eq!(
            access.check(&caller(6, 1, &[])),
            Err(Refusal::Panicked { uid: 6, pid })
        );
        assert_eq!(access.check(&caller(5, 1, &[])), Ok(()));
    }

    #[test]
    fn predicates_are_left_for_later_only_if_they_matter() {
        let access = Access::no_one()
            .or_if(|_| panic!("not to be asked"))
            .or_uid(5);
        assert_eq!(access.judge(&caller(5, 1, &[])), Some(Ok(())));
        assert_eq!(access.judge(&caller(6, 1, &[])), None);
        assert_eq!(access.judge(&Caller::Unknown), Some(Err(Refusal::Unknown)));
        assert_eq!(
            Access::no_one().judge(&caller(6, 1, &[])),
            Some(not_admitted(6))
        );
    }

    #[test]
    fn a_refusal_names_the_caller() {
        let refusal = Refusal::NotAdmitted { uid: 5, pid: 77 };
        assert_eq!(
            refusal.to_string(),
            "caller with uid 5 (pid 77) is not admitted"
        );
        let unknown = Refusal::Unknown.to_string();
        assert_eq!(
            unknown,
            "caller of another user or pid namespace: its identity is unknown"
        );
    }

    #[test]
    fn a_policy_can_be_read_in_a_log() {
        let access = Access::no_one()
            .or_uid(5)
            .or_group(6)
            .or_if(|_| true)
            .allowing_unknown();
        assert_eq!(
            format!("{access:?}"),
            "Access { any_of: [uid 5, group 6, predicate], allows_unknown: true }"
        );
    }
}
