//! Calls of a method with values in JSON, by what the door says of its interface.

mod put;
mod shapes;
mod take;

use std::path::Path;
use std::time::Instant;

use doors::typed::{Description, MethodDescription};
use doors::{Door, DoorAttributes, ProcedureError};
use serde_json::Value;

use self::put::Put;
use self::take::Take;
use crate::failure::{Failure, Outcome, Status, chain};
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
    description.map(Some).map_err(|error| failure(path, &error))
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
    let arguments = match arguments {
        None => Value::Array(Vec::new()),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Failure::new(format!("the arguments are no JSON: {error}")))?,
    };
    let mut put = Put::default();
    put.arguments(&method.arguments, &arguments)
        .map_err(|wrong| {
            let said = format!("{wrong}; the method is `{}`", method.signature);
            Failure::new(short(&said))
        })?;
    match method.call(door, &put.bytes, put.descriptors, deadline) {
        Ok(reply) => {
            let value = Take::of(&reply).all(&method.result);
            print(format!(
                "{}\n",
                value.map_err(|wrong| unreadable(path, &wrong))?
            ))
        }
        Err(ProcedureError::Returned(reply)) => {
            let shape = method.error.as_ref();
            let error = shape.map(|shape| Take::of(&reply).all(shape));
            let error = match error {
                Some(Ok(error)) => short(&error.to_string()),
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
            let names: Vec<_> = methods
                .iter()
                .map(|method| printable::line(&method.name))
                .collect();
            Failure::new(format!(
                "{} has no method `{name}`; it has {}",
                path.display(),
                names.join(", ")
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

fn failure<E>(path: &Path, error: &ProcedureError<E>) -> Failure {
    let said = match error {
        ProcedureError::Call(error) => return Failure::call(path, error),
        ProcedureError::Refused { reason, .. } => chain(reason),
        ProcedureError::BadResults { reason, .. } => {
            format!("the results cannot be read: {reason}")
        }
        _ => "the server has lost the result".to_owned(),
    };
    Failure {
        status: error.call_state().into(),
        text: format!(
            "call on {} failed: {}",
            path.display(),
            printable::line(&said)
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
