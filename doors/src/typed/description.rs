//! An interface as a server describes it to whoever asks.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::allowed::Allowed;
use super::client::Target;
use super::error::{ProcedureError, Refused, Theirs};
use super::frame::{self, Results};
use super::interface::{CODEC, Interface, Method, Version};
use super::line::Line;
use super::shape::{Shape, Type};
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
    /// Who may call it, as in `#[allow_callers]`, where the source says so: for all methods that name no callers of their own.
    pub callers: Option<Vec<String>>,
    /// How its values are put into bytes: [`CODEC`](super::CODEC) as a rule.
    pub codec: String,
    /// Its methods, in the order of the source.
    pub methods: Vec<MethodDescription>,
}

/// A method of a [`Description`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MethodDescription {
    /// Its number.
    pub number: u16,
    /// Its tag, which goes with each call of it.
    pub tag: [u8; 5],
    /// Its name.
    pub name: String,
    /// Its signature as it is written.
    pub signature: String,
    /// What is written above it in the source.
    pub docs: String,
    /// The version from which on the interface has it, where the source says so.
    pub since: Option<Version>,
    /// Who may call it, as in `#[allow_callers]`, where the source says so.
    pub callers: Option<Vec<String>>,
    /// The types that its shapes name.
    pub types: Vec<Type>,
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
            callers: interface.allowed().map(texts),
            codec: interface.codec().to_owned(),
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
            since: method.since(),
            callers: method.allowed().map(texts),
            types: values.types().to_vec(),
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
        let mut data = arguments.to_vec();
        frame::end_call(self.number, self.tag, deadline, 0, &mut data);
        let mut results = Vec::new();
        let descriptors = door
            .call_into(&data, descriptors, deadline, &mut results)
            .map_err(ProcedureError::Call)?;
        let differ = |theirs: Theirs| Refused::OtherInterface {
            theirs: format!("{} {} `{}`", theirs.name, theirs.version, theirs.signature),
            ours: format!("`{}`", Line(&self.signature)),
        };
        let bytes = |data: &[u8]| Reply {
            data: data.to_vec(),
            descriptors,
        };
        let front = frame::front_of_results(&results);
        let moved = front.map(|count| count.and_then(|count| frame::in_place(&mut results, count)));
        let opened = match moved {
            None | Some(Ok(())) => frame::open_results(&results, differ),
            Some(Err(reason)) => Err(reason),
        };
        match opened {
            Ok(Results::Value(value)) => Ok(bytes(value)),
            Ok(Results::Error(error)) => Err(ProcedureError::Returned(bytes(error))),
            Ok(Results::Refused(reason)) => Err(ProcedureError::Refused {
                door: door.label(),
                reason,
            }),
            Ok(Results::NotAllowed(uid)) => Err(ProcedureError::Refused {
                door: door.label(),
                reason: Refused::NotAllowed {
                    method: self.name.clone(),
                    uid,
                },
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

/// As a trait in Rust would be written, with the types below it; what its server says cannot steer a terminal.
impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        comment(f, "", &self.docs)?;
        callers(f, "", self.callers.as_deref())?;
        write!(f, "interface {} {}", Line(&self.name), self.version)?;
        if self.codec != CODEC {
            write!(f, " by {}", Line(&self.codec))?;
        }
        writeln!(f, " {{")?;
        for (at, method) in self.methods.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            comment(f, "    ", &method.docs)?;
            writeln!(f, "    #[id({})]", method.number)?;
            if let Some(since) = method.since {
                writeln!(f, "    #[since(\"{since}\")]")?;
            }
            callers(f, "    ", method.callers.as_deref())?;
            writeln!(f, "    {};", Line(&method.signature))?;
        }
        write!(f, "}}")?;
        types(f, &self.methods)
    }
}

/// So many types of a description are shown, and of a method, and of each as many bytes: the server may describe whatever it likes.
const TYPES: usize = 4096;
const METHOD_TYPES: usize = 512;
const TYPE_BYTES: usize = 2048;

/// The types that the signatures name, each once, below the interface.
fn types(f: &mut fmt::Formatter<'_>, methods: &[MethodDescription]) -> fmt::Result {
    let all = methods
        .iter()
        .flat_map(|method| std::iter::repeat(method).zip(&method.types))
        .take(TYPES);
    // What a name stands for is looked for among the types of its method.
    let all = all.filter(|(method, _)| method.types.len() <= METHOD_TYPES);
    let mut shown = BTreeSet::new();
    for (method, named) in all {
        let mut line = Cut(String::new());
        if write!(line, "{}", named.shown(&method.types)).is_err() {
            line.0.push_str("...");
        }
        if !shown.contains(&line.0) {
            let before = if shown.is_empty() { "\n\n" } else { "\n" };
            write!(f, "{before}{}", line.0)?;
            shown.insert(line.0);
        }
    }
    Ok(())
}

/// A text that ends before it is too long.
struct Cut(String);

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len().saturating_add(text.len()) > TYPE_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn comment(f: &mut fmt::Formatter<'_>, indent: &str, docs: &str) -> fmt::Result {
    docs.lines().try_for_each(|line| {
        let space = if line.is_empty() { "" } else { " " };
        writeln!(f, "{indent}///{space}{}", Line(line))
    })
}

/// Callers in words.
fn texts(allowed: &[Allowed]) -> Vec<String> {
    allowed.iter().map(ToString::to_string).collect()
}

/// Who may call, if that is said.
fn callers(f: &mut fmt::Formatter<'_>, indent: &str, callers: Option<&[String]>) -> fmt::Result {
    callers.map_or(Ok(()), |callers| {
        writeln!(f, "{indent}#[allow_callers({})]", Line(&callers.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_itself_stays_in_its_line() {
        let hostile = "x\n    fn pay(&self);\x1b[1A";
        let method = MethodDescription {
            number: 1,
            tag: [0; 5],
            name: hostile.to_owned(),
            signature: format!("fn {hostile}(&'_ str)"),
            docs: format!("One.\n{hostile}"),
            since: Some(Version::FIRST),
            callers: Some(vec![hostile.to_owned(), hostile.to_owned()]),
            types: vec![Type::Structure(hostile.to_owned(), vec![])],
            arguments: vec![(hostile.to_owned(), Shape::Named(0))],
            result: Shape::Named(7),
            error: None,
        };
        let shown = method.arguments[0].1.shown(&method.types).to_string();
        let whole = method.types[0].shown(&method.types).to_string();
        let description = Description {
            name: hostile.to_owned(),
            version: Version::FIRST,
            codec: CODEC.to_owned(),
            docs: String::new(),
            callers: Some(vec![hostile.to_owned()]),
            methods: vec![method],
        };
        let text = description.to_string();
        // Its beginning and its end, two lines of callers, the number, the version, the signature, three lines of the
        // documentation, and a type below an empty one.
        assert_eq!(text.lines().count(), 12, "{text}");
        let all = [text, shown, whole].concat();
        assert!(all.chars().all(|c| c == '\n' || !c.is_control()), "{all}");
        assert!(all.contains("(&'_ str)"), "{all}");
    }
}
