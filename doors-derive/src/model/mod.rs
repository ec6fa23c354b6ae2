//! An item that was checked: what is expanded.

mod argument;
mod names;
mod outcome;
mod procedure;
mod text;

use syn::ItemTrait;

pub(crate) use self::argument::{Argument, Call, Passing};
pub(crate) use self::names::{
    CARRIED, bare, inside, is_borrowed_path, is_carried, is_descriptor_path,
    is_frozen_archive_path, is_lent_by_rkyv,
};
pub(crate) use self::outcome::{Kind, Outcome};
pub(crate) use self::procedure::{Procedure, count, places};
pub(crate) use self::text::docs;
use crate::parse::Function;

/// A function, the one procedure of its door.
pub(crate) struct Single<'a> {
    pub(crate) function: &'a Function,
    pub(crate) version: Version,
    pub(crate) codec: Codec,
    pub(crate) procedure: Procedure<'a>,
}

/// A trait, whose methods are the procedures of its door.
pub(crate) struct Service<'a> {
    pub(crate) item: &'a ItemTrait,
    pub(crate) version: Version,
    pub(crate) codec: Codec,
    pub(crate) rules: Rules,
    pub(crate) methods: Vec<Procedure<'a>>,
}

/// What is said of a procedure, or of a trait for all that say nothing themselves.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) callers: Option<Vec<Allowed>>,
    pub(crate) leaf: bool,
}

/// Whom `#[allow_callers]` names.
pub(crate) enum Allowed {
    Anyone,
    Me,
    Uid(u32),
    User(String),
    Gid(u32),
    Group(String),
}

/// The version of an interface.
#[derive(Clone, Copy)]
pub(crate) struct Version {
    pub(crate) major: u16,
    pub(crate) minor: u16,
}

/// How values are put into bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Through serde.
    #[default]
    Fixed,
    /// As archives.
    Rkyv,
}
