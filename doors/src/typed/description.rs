//! An interface as a server describes it to whoever asks.

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::client::Target;
use super::error::{ProcedureError, Refused, Theirs};
use super::frame::{self, Results};
use super::interface::{Interface, Method, Version};
use super::shape::Shape;
use crate::desc::DoorDesc;
use crate::door::{Door, Reply};

/// An interface, for those who do not have its types: what `doors info` prints, and `doors call` calls by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// What is written above it in the source.
    pub docs: String,
    /// Its methods, in the order of the source.
    pub methods: Vec<MethodDescription>,
}

/// A method of a [`Description`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MethodDescription {
    /// Its number.
    pub number: u16,
    /// Its tag, which goes before each call of it.
    pub tag: [u8; 5],
    /// Its name.
    pub name: String,
    /// Its signature as it is written.
    pub signature: String,
    /// What is written above it in the source.
    pub docs: String,
    /// The names of its arguments, and what they look like.
    pub arguments: Vec<(String, Shape)>,
    /// What its result looks like.
    pub result: Shape,
    /// What its own error looks like, if it has one.
    pub error: Option<Shape>,
}

impl Description {
    /// Describes an interface of this program.
    #[must_use]
    pub fn of(interface: &Interface) -> Self {
        Self {
            name: interface.name().to_owned(),
            version: interface.version(),
            docs: interface.docs().to_owned(),
            methods: interface
                .methods()
                .iter()
                .map(MethodDescription::of)
                .collect(),
        }
    }

    /// Asks a door of which interface it is, at most until the deadline.
    ///
    /// Only a door with the attribute [`TYPED`](crate::DoorAttributes::TYPED) answers that; another one would run its procedure.
    ///
    /// # Errors
    /// As any call; [`ProcedureError::BadResults`] from a door that is not typed.
    pub fn ask(door: &Door, deadline: Option<Instant>) -> Result<Self, ProcedureError> {
        let target = Target::from(door.clone());
        let target = deadline.map_or_else(|| target.clone(), |deadline| target.until(deadline));
        target.call(&ASKING, &ASK, |_| {}, |results| results.take("description"))
    }
}

impl MethodDescription {
    fn of(method: &Method) -> Self {
        let values = method.values();
        let named = |(name, shape): &(&str, Shape)| ((*name).to_owned(), shape.clone());
        Self {
            number: method.number(),
            tag: method.tag(),
            name: method.name().to_owned(),
            signature: method.signature().to_owned(),
            docs: method.docs().to_owned(),
            arguments: values.arguments().iter().map(named).collect(),
            result: values.outcome().0.clone(),
            error: values.outcome().1.cloned(),
        }
    }
}

impl MethodDescription {
    /// Calls the method with the bytes of its arguments, as the page of the module [`typed`](crate::typed) lays them out, for callers that
    /// do not have its types. The reply has those of its result.
    ///
    /// # Errors
    /// [`ProcedureError::Returned`] with the bytes of the method's own error, and as any call. A server that has another method with this
    /// number now is [`Refused::OtherInterface`].
    pub fn call(
        &self,
        door: &Door,
        arguments: &[u8],
        descriptors: Vec<DoorDesc<'_>>,
        deadline: Option<Instant>,
    ) -> Result<Reply, ProcedureError<Reply>> {
        let mut data = Vec::new();
        frame::begin_call(self.number, self.tag, &mut data);
        data.extend_from_slice(arguments);
        let mut results = Vec::new();
        let descriptors = door
            .call_into(&data, descriptors, deadline, &mut results)
            .map_err(ProcedureError::Call)?;
        let differ = |theirs: Theirs| Refused::OtherInterface {
            theirs: format!("{} {} `{}`", theirs.name, theirs.version, theirs.signature),
            ours: format!("`{}`", self.signature),
        };
        let bytes = |data: &[u8]| Reply {
            data: data.to_vec(),
            descriptors,
        };
        match frame::open_results(&results, differ) {
            Ok(Results::Value(value)) => Ok(bytes(value)),
            Ok(Results::Error(error)) => Err(ProcedureError::Returned(bytes(error))),
            Ok(Results::Refused(reason)) => Err(ProcedureError::Refused {
                door: door.label(),
                reason,
            }),
            Ok(Results::ValueLost) => Err(ProcedureError::ValueLost { door: door.label() }),
            Err(reason) => Err(ProcedureError::BadResults {
                door: door.label(),
                reason,
            }),
        }
    }
}

/// Every typed door has this method.
pub(super) static ASK: Method = Method::new("", Version::FIRST, 0, "describe", "", |_| {});
static ASKING: Interface = Interface::new("", Version::FIRST, &[]);

/// As a trait in Rust would be written.
impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        comment(f, "", &self.docs)?;
        writeln!(f, "interface {} {} {{", self.name, self.version)?;
        for (at, method) in self.methods.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            comment(f, "    ", &method.docs)?;
            writeln!(f, "    #[id({})]", method.number)?;
            writeln!(f, "    {};", method.signature)?;
        }
        write!(f, "}}")
    }
}

fn comment(f: &mut fmt::Formatter<'_>, indent: &str, docs: &str) -> fmt::Result {
    docs.lines().try_for_each(|line| {
        let space = if line.is_empty() { "" } else { " " };
        writeln!(f, "{indent}///{space}{line}")
    })
}
