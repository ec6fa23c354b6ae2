//! What the signature of a server procedure must be like.

use syn::visit::Visit;
use syn::{FnArg, Ident, Pat, PatType, ReturnType, Safety, Signature};

use super::Faults;
use super::types::TypeCheck;
use crate::model::{Argument, Outcome};

/// Arguments and outcome of a signature; what is wrong with it goes to the faults.
pub(super) fn check<'a>(
    signature: &'a Signature,
    faults: &mut Faults,
) -> (Vec<Argument<'a>>, Outcome<'a>) {
    check_qualifiers(signature, faults);
    check_generics(signature, faults);
    let arguments = check_arguments(signature, faults);
    (arguments, check_outcome(signature, faults))
}

fn check_qualifiers(signature: &Signature, faults: &mut Faults) {
    if let Some(word) = &signature.asyncness {
        faults.add(
            word,
            "a server procedure cannot be `async`: its thread answers when the function returns",
        );
    }
    if let Safety::Unsafe(word) = &signature.safety {
        faults.add(
            word,
            "a server procedure cannot be `unsafe`: no caller in another process can be held to its conditions",
        );
    }
    if let Some(dots) = &signature.variadic {
        faults.add(
            dots,
            "a server procedure has the same arguments in every call",
        );
    }
}

fn check_generics(signature: &Signature, faults: &mut Faults) {
    for parameter in &signature.generics.params {
        match parameter {
            syn::GenericParam::Lifetime(lifetime) => faults.add(
                lifetime,
                "leave the lifetime out: arguments are borrowed for the call, results are owned",
            ),
            other => faults.add(
                other,
                "a server procedure cannot be generic: callers are compiled without it",
            ),
        }
    }
    if let Some(clause) = &signature.generics.where_clause
        && signature.generics.params.is_empty()
    {
        faults.add(
            clause,
            "a server procedure cannot have conditions on its types",
        );
    }
}

fn check_arguments<'a>(signature: &'a Signature, faults: &mut Faults) -> Vec<Argument<'a>> {
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        match input {
            // Whether there should be one depends on where the signature stands.
            FnArg::Receiver(_) => {}
            FnArg::Typed(input) => {
                for attribute in &input.attrs {
                    if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
                        faults.add(
                            attribute,
                            "put the condition on the function, not on one argument",
                        );
                    }
                }
                TypeCheck {
                    faults,
                    result: false,
                }
                .visit_type(&input.ty);
                if let Some(name) = check_name(input, faults) {
                    arguments.push(Argument {
                        name,
                        ty: &input.ty,
                    });
                }
            }
        }
    }
    arguments
}

fn check_name<'a>(input: &'a PatType, faults: &mut Faults) -> Option<&'a Ident> {
    match &*input.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
            return Some(&pattern.ident);
        }
        Pat::Wild(wild) => faults.add(
            wild,
            "give the argument a name: it is part of the interface (it may begin with `_`)",
        ),
        other => faults.add(
            other,
            "give the argument a name and take it apart in the body: the name is part of the interface",
        ),
    }
    None
}

fn check_outcome<'a>(signature: &'a Signature, faults: &mut Faults) -> Outcome<'a> {
    match &signature.output {
        ReturnType::Default => Outcome::Unit,
        ReturnType::Type(_, ty) => {
            TypeCheck {
                faults,
                result: true,
            }
            .visit_type(ty);
            Outcome::of(ty)
        }
    }
}
