//! Who may call which method.

use std::fmt;

use super::interface::Interface;
use crate::access::{Access, Refusal};
use crate::cred::Caller;
use crate::error::{DoorCondition, DoorError};
use crate::sys::ids;

/// Some of those whom an `#[allow_callers]` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allowed {
    /// Every known caller.
    Anyone,
    /// The user as whom the server runs.
    Me,
    /// A user by number.
    Uid(u32),
    /// A user by name.
    User(&'static str),
    /// A group by number.
    Gid(u32),
    /// A group by name.
    Group(&'static str),
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Me => f.write_str("me"),
            Self::Uid(uid) => write!(f, "uid = {uid}"),
            Self::User(name) => write!(f, "user = {name:?}"),
            Self::Gid(gid) => write!(f, "gid = {gid}"),
            Self::Group(name) => write!(f, "group = {name:?}"),
        }
    }
}

/// Who may call the methods of a door, as the names meant it when the door was made.
#[derive(Debug)]
pub(super) struct Guards {
    methods: Vec<(u16, Access)>,
    /// Whatever else is asked of the door.
    others: Access,
}

impl Guards {
    /// None, where no method asks.
    pub(super) fn of(interface: &Interface) -> Result<Option<Self>, DoorError> {
        let others = interface.allowed();
        let own = |method: &super::Method| {
            let allowed = method.allowed();
            allowed.map(|allowed| policy(allowed).map(|access| (method.number(), access)))
        };
        let methods = interface.methods().iter().filter_map(own);
        let methods = methods.collect::<Result<Vec<_>, _>>()?;
        if methods.is_empty() && others.is_none() {
            return Ok(None);
        }
        let others = others.map_or_else(|| Ok(Access::anyone().allowing_unknown()), policy)?;
        Ok(Some(Self { methods, others }))
    }

    /// Whether a caller may call the method with this number.
    pub(super) fn check(&self, number: u16, caller: &Caller) -> Result<(), Refusal> {
        let mut own = self.methods.iter();
        own.find(|(guarded, _)| *guarded == number)
            .map_or(&self.others, |(_, access)| access)
            .check(caller)
    }
}

/// A name that is not there admits nobody, and would once somebody makes it: whoever serves has to know now.
fn policy(allowed: &[Allowed]) -> Result<Access, DoorError> {
    let mut access = Access::no_one();
    for each in allowed {
        access = match *each {
            Allowed::Anyone => access.or_anyone(),
            Allowed::Me => access.or_uid(ids::effective_uid()),
            Allowed::Uid(uid) => access.or_uid(uid),
            Allowed::Gid(gid) => access.or_group(gid),
            Allowed::User(name) => access.or_uid(known("user", name, ids::user_named(name))?),
            Allowed::Group(name) => access.or_group(known("group", name, ids::group_named(name))?),
        };
    }
    Ok(access)
}

fn known(
    kind: &'static str,
    name: &'static str,
    found: crate::sys::Result<Option<u32>>,
) -> Result<u32, DoorError> {
    match found {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(DoorCondition::UnknownName { kind, name }.into()),
        Err(source) => Err(DoorCondition::System {
            op: "look up the users and groups that `allow_callers` names",
            source,
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cred::Credentials;
    use crate::typed::{Method, Version};

    const fn free() -> Method {
        Method::new("Safe", Version::FIRST, 1, "free", "fn free()", |_| {})
    }
    const fn shut() -> Method {
        Method::new("Safe", Version::FIRST, 2, "shut", "fn shut()", |_| {}).allowing(&[
            Allowed::Uid(5),
            Allowed::Gid(6),
            Allowed::Me,
        ])
    }
    const fn wrong() -> Method {
        Method::new("Safe", Version::FIRST, 3, "wrong", "fn wrong()", |_| {})
            .allowing(&[Allowed::Uid(5), Allowed::Group("no such group")])
    }

    fn caller(uid: u32, gid: u32) -> Caller {
        Caller::Known(Credentials::of_test(uid, gid, &[]))
    }

    #[test]
    fn a_method_is_for_those_whom_it_names_and_the_others_for_those_whom_the_trait_names() {
        static METHODS: [Method; 2] = [free(), shut()];
        static OPEN: Interface = Interface::new("Safe", Version::FIRST, &METHODS);
        static CLOSED: Interface =
            Interface::new("Safe", Version::FIRST, &METHODS).allowing(&[Allowed::Uid(7)]);
        let me = ids::effective_uid();
        let open = Guards::of(&OPEN).unwrap().unwrap();
        for number in [0, 1, 9] {
            assert_eq!(open.check(number, &caller(8, 8)), Ok(()));
            assert_eq!(open.check(number, &Caller::Unknown), Ok(()));
        }
        let closed = Guards::of(&CLOSED).unwrap().unwrap();
        for number in [0, 1, 9] {
            assert!(closed.check(number, &caller(8, 7)).is_err());
            assert_eq!(closed.check(number, &caller(7, 8)), Ok(()));
        }
        for guards in [open, closed] {
            for admitted in [caller(5, 1), caller(1, 6), caller(me, 1)] {
                assert_eq!(guards.check(2, &admitted), Ok(()));
            }
            let others = [caller(7, 7), caller(6, 5)];
            for refused in others.into_iter().chain([Caller::Unknown]) {
                assert!(guards.check(2, &refused).is_err(), "{refused:?}");
            }
        }
    }

    #[test]
    fn a_door_that_asks_nobody_has_no_guards() {
        static METHODS: [Method; 1] = [free()];
        static INTERFACE: Interface = Interface::new("Safe", Version::FIRST, &METHODS);
        assert!(Guards::of(&INTERFACE).unwrap().is_none());
    }

    #[test]
    fn a_name_that_is_not_there_is_an_error_and_not_an_open_door() {
        static METHODS: [Method; 2] = [free(), wrong()];
        static INTERFACE: Interface = Interface::new("Safe", Version::FIRST, &METHODS);
        let error = Guards::of(&INTERFACE).unwrap_err();
        assert_eq!(
            *error.condition(),
            DoorCondition::UnknownName {
                kind: "group",
                name: "no such group"
            }
        );
        let says = "this host has no group `no such group`, which `allow_callers` names: make it, or name another";
        assert_eq!(error.to_string(), says);
        let root = policy(&[Allowed::User("root")]).unwrap();
        assert_eq!(root.check(&caller(0, 1)), Ok(()));
        assert!(root.check(&caller(1, 0)).is_err());
    }
}
