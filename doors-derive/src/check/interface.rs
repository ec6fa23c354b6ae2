//! What a trait must be like.

use syn::{FnArg, ItemTrait, Receiver, ReceiverKind, TraitItem, TraitItemFn, Type};

use super::attributes::{Arguments, OfMethod};
use super::{Faults, rules, signature};
use crate::model::{Procedure, Service, places};

pub(super) fn check<'a>(
    item: &'a ItemTrait,
    arguments: &Arguments,
    faults: &mut Faults,
) -> Service<'a> {
    check_trait(item, faults);
    let (version, codec) = (arguments.version(), arguments.codec());
    let of_all = rules::read(&item.attrs, faults);
    let mut methods = Vec::new();
    let mut said = Vec::new();
    for part in &item.items {
        let Some(method) = method_of(part, faults) else {
            continue;
        };
        let of_method = OfMethod::read(&method.attrs, version, faults);
        let rules = rules::read(&method.attrs, faults);
        // Apart: what is called has the rest of the signature whatever is wrong with this.
        check_receiver(method, faults);
        let (found, right) = faults.apart(|faults| signature::check(&method.sig, codec, faults));
        said.push((of_method.number, &method.sig.ident));
        // One that is not right makes the whole wrong: the others are there for the names' sake then.
        if right {
            methods.push(Procedure {
                name: &method.sig.ident,
                attributes: &method.attrs,
                rules,
                number: 0,
                since: of_method.since,
                place: proc_macro2::TokenStream::new(),
                codec,
                arguments: found.arguments,
                call: found.call,
                answer: found.answer,
                outcome: found.outcome,
            });
        }
    }
    for (method, number) in methods.iter_mut().zip(numbers(&said, faults)) {
        method.number = number;
    }
    places(&mut methods);
    Service {
        item,
        version,
        codec,
        rules: of_all,
        methods,
    }
}

fn check_trait(item: &ItemTrait, faults: &mut Faults) {
    if let Some(word) = &item.unsafety {
        faults.add(
            word,
            "an interface cannot be `unsafe`: no caller in another process can be held to its conditions",
        );
    }
    for parameter in &item.generics.params {
        faults.add(
            parameter,
            "an interface cannot be generic: its callers are compiled without it",
        );
    }
    if let Some(clause) = &item.generics.where_clause
        && item.generics.params.is_empty()
    {
        faults.add(clause, "an interface cannot have conditions on its types");
    }
    if item.items.is_empty() {
        faults.add(
            &item.ident,
            "there is nothing to call: give the trait a method",
        );
    }
}

/// The method, if it is one.
fn method_of<'a>(part: &'a TraitItem, faults: &mut Faults) -> Option<&'a TraitItemFn> {
    match part {
        TraitItem::Fn(method) => return Some(method),
        TraitItem::Type(part) => faults.add(
            part,
            "write the type where it is used: callers are compiled without the implementation that would choose it",
        ),
        TraitItem::Const(part) => faults.add(
            part,
            "a constant of an implementation cannot be seen from another process: return it from a method",
        ),
        other => faults.add(other, "only methods can be called through a door"),
    }
    None
}

fn check_receiver(method: &TraitItemFn, faults: &mut Faults) {
    match method.sig.inputs.first() {
        Some(FnArg::Receiver(receiver)) => match fault_of(receiver) {
            Some(message) => faults.add(receiver, message),
            None => {
                for attribute in &receiver.attrs {
                    faults.add(attribute, "put the attribute on the method");
                }
            }
        },
        _ => faults.add(
            &method.sig.ident,
            "a method of a door takes `&self`, the server's value",
        ),
    }
}

fn fault_of(receiver: &Receiver) -> Option<&'static str> {
    let by_value = "take `&self`: the value serves all calls, so none can have it for itself";
    match &receiver.kind {
        ReceiverKind::Reference(_, Some(_), _) => {
            Some("take `&self`: a lifetime of its own means nothing here")
        }
        ReceiverKind::Reference(_, None, Some(_)) => Some(
            "take `&self`: calls run at once on several threads; a lock or an atomic keeps what changes",
        ),
        ReceiverKind::Reference(_, None, None) => None,
        ReceiverKind::Typed(_, ty) if matches!(**ty, Type::Reference(_)) => Some("write `&self`"),
        _ => Some(by_value),
    }
}

/// Each method's number: the one that is written there, or its place.
fn numbers(
    said: &[(Option<(u16, proc_macro2::Span)>, &syn::Ident)],
    faults: &mut Faults,
) -> Vec<u16> {
    let any = said.iter().any(|(number, _)| number.is_some());
    let mut taken: Vec<u16> = Vec::new();
    for (place, (number, name)) in said.iter().enumerate() {
        let number = match number {
            Some((number, span)) => {
                if taken.contains(number) {
                    faults.combine(syn::Error::new(
                        *span,
                        format!("another method has the number {number}"),
                    ));
                }
                *number
            }
            None if any => {
                faults.add(name, "give every method an `#[id(..)]`, or none");
                0
            }
            None => u16::try_from(place.saturating_add(1)).unwrap_or_else(|_| {
                faults.add(name, "an interface has at most 65535 methods");
                0
            }),
        };
        taken.push(number);
    }
    taken
}
