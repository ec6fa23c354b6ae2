//! Calls of a method with values in JSON, by what the door says of its interface.

mod put;
mod shapes;
mod take;

use std::path::Path;
use std::time::Instant;

use doors::typed::{CODEC, Description, MethodDescription, Refused, Shape, Type};
use doors::{Door, DoorAttributes, ProcedureError};
use serde_json::Value;

use self::put::Put;
use self::take::Take;
use crate::failure::{Failure, Outcome, Status, chain, executed};
use crate::output::print;
use crate::printable;

/// What a door says of its interface, if it has one.
pub(crate) fn described(
    path: &Path,
    door: &Door,
    attributes: DoorAttributes,
    deadline: Option<Instant>,
) -> Outcome<Option<Description>> {
    if !attributes.contains(DoorAttributes::TYPED) {
        return Ok(None);
    }
    let description = Description::ask(door, deadline);
    description
        .map(Some)
        .map_err(|error| undescribed(path, &error))
}

/// A door did not say what it has. Whatever has become of the question: no method was called.
fn undescribed(path: &Path, error: &ProcedureError) -> Failure {
    let status = match failure(path, error).status {
        kept @ (Status::NoDoor | Status::NotPermitted) => kept,
        _ => Status::NotExecuted,
    };
    let said = match error {
        ProcedureError::Call(error) => chain(&error.condition),
        other => reason(other),
    };
    Failure {
        status,
        text: format!(
            "cannot learn the methods of {}: {}; nothing was executed",
            path.display(),
            printable::line(&said)
        ),
    }
}

/// Says which methods there are, if there are any: whoever named none may have wanted one.
pub(crate) fn without_method(path: &Path, door: &Door, deadline: Option<Instant>) -> Outcome {
    let info = door
        .info()
        .map_err(|error| Failure::door("ask", path, &error))?;
    let Some(description) = described(path, door, info.attributes, deadline)? else {
        return Ok(());
    };
    Err(Failure::new(format!(
        "{} is called by a method: {}; `doors info` shows them",
        path.display(),
        names(&description)
    )))
}

/// The names of its methods, for a terminal.
fn names(description: &Description) -> String {
    let methods = description.methods.iter();
    let names: Vec<_> = methods.map(|method| method.name.as_str()).collect();
    short(&names.join(", "))
}

/// Calls a method and prints its result.
pub(crate) fn call(
    path: &Path,
    door: &Door,
    method: &str,
    arguments: Option<&str>,
    deadline: Option<Instant>,
) -> Outcome {
    let info = door
        .info()
        .map_err(|error| Failure::door("ask", path, &error))?;
    let description = described(path, door, info.attributes, deadline)?.ok_or_else(|| {
        Failure::new(format!(
            "{} has no methods: it takes bytes (`--data`)",
            path.display()
        ))
    })?;
    let method = find(path, &description, method)?;
    if description.codec != CODEC {
        return Err(Failure::new(format!(
            "{} takes values by {}, which only programs with its types can put",
            path.display(),
            printable::line(&description.codec)
        )));
    }
    let arguments = match arguments {
        None => Value::Array(Vec::new()),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            let hint = hint(text);
            not_called(path, method, &format!("they are no JSON: {error}{hint}"))
        })?,
    };
    let mut put = Put::default();
    put.arguments(method, &arguments).map_err(|wrong| {
        let said = format!("{wrong}; the method is `{}`", method.signature);
        not_called(path, method, &said)
    })?;
    match method.call(door, &put.bytes, put.descriptors, deadline) {
        Ok(reply) => {
            let value = Take::of(&reply).all(&method.types, &method.result);
            print(format!(
                "{}\n",
                value.map_err(|wrong| unreadable(path, &wrong))?
            ))
        }
        Err(ProcedureError::Returned(reply)) => {
            let shape = method.error.as_ref();
            let error = shape.map(|shape| Take::of(&reply).all(&method.types, shape));
            let error = match error {
                Some(Ok(error)) => match bare(method) {
                    Some(name) => short(name),
                    None => short(&error.to_string()),
                },
                Some(Err(wrong)) => return Err(unreadable(path, &wrong)),
                None => "an error that it does not have".to_owned(),
            };
            Err(Failure {
                status: Status::Executed,
                text: format!("call on {} returned the error {error}", path.display()),
            })
        }
        Err(error) => Err(failure(path, &error)),
    }
}

/// The arguments are not what the method takes.
fn not_called(path: &Path, method: &MethodDescription, why: &str) -> Failure {
    Failure::new(format!(
        "cannot call `{}` of {} with these arguments: {}",
        printable::line(&method.name),
        path.display(),
        short(why)
    ))
}

/// What was meant, perhaps, by arguments that are no JSON.
fn hint(text: &str) -> String {
    let at = text.find('@').and_then(|at| text.get(at..));
    if let Some(path) = at {
        let path = path.split([']', '}', ',', ' ', '"']).next().unwrap_or(path);
        return format!("; a descriptor is a text: \"{path}\"");
    }
    if text.starts_with(['[', '{']) {
        return String::new();
    }
    let only = Value::from([text].as_slice());
    format!("; a text as the only argument is {only}")
}

/// The name of the method's error, if it has nothing but that.
fn bare(method: &MethodDescription) -> Option<&str> {
    let Some(Shape::Named(at)) = method.error else {
        return None;
    };
    match method.types.get(usize::try_from(at).ok()?)? {
        Type::Structure(name, fields) if fields.is_empty() => Some(name),
        _ => None,
    }
}

fn find<'d>(
    path: &Path,
    description: &'d Description,
    name: &str,
) -> Outcome<&'d MethodDescription> {
    let methods = &description.methods;
    methods
        .iter()
        .find(|method| method.name == name)
        .ok_or_else(|| {
            Failure::new(format!(
                "{} has no method `{name}`; it has {}",
                path.display(),
                names(description)
            ))
        })
}

fn unreadable(path: &Path, wrong: &str) -> Failure {
    Failure {
        status: Status::Executed,
        text: format!(
            "call on {}: the result is not what the server said: {}",
            path.display(),
            short(wrong)
        ),
    }
}

/// Why there is no result, of a call that came back.
fn reason<E>(error: &ProcedureError<E>) -> String {
    match error {
        ProcedureError::Refused { reason, .. } => chain(reason),
        ProcedureError::BadResults { reason, .. } => {
            format!("the results cannot be read: {reason}")
        }
        _ => "the server has lost the result".to_owned(),
    }
}

fn failure<E>(path: &Path, error: &ProcedureError<E>) -> Failure {
    if let ProcedureError::Call(error) = error {
        return Failure::call(path, error);
    }
    let status = match error {
        ProcedureError::Refused {
            reason: Refused::NotAllowed { .. },
            ..
        } => Status::NotPermitted,
        _ => error.call_state().into(),
    };
    Failure {
        status,
        text: format!(
            "call on {} failed: {}; {}",
            path.display(),
            printable::line(&reason(error)),
            executed(error.call_state())
        ),
    }
}

/// What a server had a part in, for a terminal: one line, not too long.
fn short(text: &str) -> String {
    const LETTERS: usize = 1_000;
    let mut line: String = printable::line(text).chars().take(LETTERS).collect();
    if text.chars().nth(LETTERS).is_some() {
        line.push_str("...");
    }
    line
}
