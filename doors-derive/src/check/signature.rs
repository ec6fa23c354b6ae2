//! What the signature of a server procedure must be like.

use syn::visit::Visit;
use syn::{FnArg, Ident, Pat, PatType, ReturnType, Safety, Signature, Type};

use super::Faults;
use super::nested;
use super::types::TypeCheck;
use crate::model::{Argument, Call, Codec, Outcome, inside};

/// What a signature says.
pub(super) struct Found<'a> {
    pub(super) arguments: Vec<Argument<'a>>,
    pub(super) call: Option<Call<'a>>,
    pub(super) answer: Option<&'a Type>,
    pub(super) outcome: Outcome<'a>,
}

/// Reads a signature; what is wrong with it goes to the faults.
pub(super) fn check<'a>(signature: &'a Signature, codec: Codec, faults: &mut Faults) -> Found<'a> {
    check_qualifiers(signature, faults);
    check_generics(signature, faults);
    let (arguments, call) = check_arguments(signature, codec, faults);
    let (outcome, answer) = check_outcome(signature, codec, faults);
    Found {
        arguments,
        call,
        answer,
        outcome,
    }
}

fn check_qualifiers(signature: &Signature, faults: &mut Faults) {
    if let Some(word) = &signature.asyncness {
        faults.add(
            word,
            "a server procedure cannot be `async`, whoever would run it: return an `Answer<T>`, the one of \
             `call.hold()`, and give `promise.keep_with(async move { .. })` to your runtime",
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

fn check_arguments<'a>(
    signature: &'a Signature,
    codec: Codec,
    faults: &mut Faults,
) -> (Vec<Argument<'a>>, Option<Call<'a>>) {
    let mut arguments = Vec::new();
    let mut call = None;
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
                if Call::is(&input.ty) {
                    check_call(&input.ty, call.is_some(), faults);
                    call = Some(Call {
                        place: arguments.len(),
                        ty: &input.ty,
                    });
                    continue;
                }
                TypeCheck {
                    faults,
                    codec,
                    result: false,
                    whole: true,
                }
                .visit_type(&input.ty);
                nested::check(&input.ty, codec, faults);
                if let Some(name) = check_name(input, faults) {
                    arguments.push(Argument {
                        name,
                        ty: &input.ty,
                        codec,
                    });
                }
            }
        }
    }
    (arguments, call)
}

/// The call itself: nothing of it travels.
fn check_call(ty: &Type, again: bool, faults: &mut Faults) {
    if again {
        faults.add(ty, "the procedure has its call already");
    }
    if let Type::Reference(reference) = ty {
        if let Some(word) = &reference.mutability {
            faults.add(word, "take `&Call`: all that it can do goes without `mut`");
        }
        if let Some(lifetime) = &reference.lifetime
            && lifetime.ident == "static"
        {
            faults.add(
                lifetime,
                "a call is over when its procedure returns: write `&Call`",
            );
        }
    }
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

fn check_outcome<'a>(
    signature: &'a Signature,
    codec: Codec,
    faults: &mut Faults,
) -> (Outcome<'a>, Option<&'a Type>) {
    match &signature.output {
        ReturnType::Default => (Outcome::Unit, None),
        ReturnType::Type(_, ty) => {
            TypeCheck {
                faults,
                codec,
                result: true,
                whole: true,
            }
            .visit_type(ty);
            let (outcome, answer) = Outcome::returned(ty);
            for half in outcome.types() {
                nested::check(half, codec, faults);
            }
            if let Outcome::Fallible {
                halves: Some((value, _)),
                ..
            } = &outcome
                && inside(value, "Answer").is_some()
            {
                faults.add(
                    value,
                    "write `Answer<Result<..>>`: an error is an answer, too",
                );
            }
            (outcome, answer)
        }
    }
}
