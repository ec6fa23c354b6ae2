//! What an item must be like; all that is wrong is reported at once.

mod attributes;
mod interface;
mod nested;
mod rules;
mod signature;
mod types;

use proc_macro2::TokenStream;
use syn::{FnArg, ItemTrait};

use self::attributes::Arguments;
pub(crate) use self::attributes::OF_METHOD;
pub(crate) use self::rules::RULES;
use crate::model::{Procedure, Service, Single};
use crate::parse::Function;

/// Checks a function, or says all that is wrong with it.
pub(crate) fn function<'a>(
    attribute: &TokenStream,
    function: &'a Function,
) -> syn::Result<Single<'a>> {
    let mut faults = Faults(None);
    let arguments = Arguments::read(attribute, &mut faults);
    for input in &function.signature.inputs {
        if let FnArg::Receiver(receiver) = input {
            faults.add(
                receiver,
                "`#[door]` goes on a free function: there is no `self` in another process",
            );
        }
    }
    let version = arguments.version();
    let codec = arguments.codec();
    let rules = rules::read(&function.attributes, &mut faults);
    let found = signature::check(&function.signature, codec, &mut faults);
    faults.end(Single {
        function,
        version,
        codec,
        procedure: Procedure {
            name: &function.signature.ident,
            attributes: &function.attributes,
            rules,
            number: 1,
            since: None,
            place: quote::quote!(0),
            codec,
            arguments: found.arguments,
            call: found.call,
            answer: found.answer,
            outcome: found.outcome,
        },
    })
}

/// Checks a trait, or says all that is wrong with it; with the methods that would be right.
pub(crate) fn interface<'a>(
    attribute: &TokenStream,
    item: &'a ItemTrait,
) -> Result<Service<'a>, (syn::Error, Vec<Procedure<'a>>)> {
    let mut faults = Faults(None);
    let arguments = Arguments::read(attribute, &mut faults);
    let service = interface::check(item, &arguments, &mut faults);
    match faults.0 {
        None => Ok(service),
        Some(error) => Err((error, service.methods)),
    }
}

/// What was found to be wrong.
struct Faults(Option<syn::Error>);

impl Faults {
    fn add(&mut self, place: impl quote::ToTokens, message: impl std::fmt::Display) {
        self.combine(syn::Error::new_spanned(place, message));
    }

    fn combine(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// What is found to be wrong now is apart from what was before.
    fn apart<T>(&mut self, check: impl FnOnce(&mut Self) -> T) -> (T, bool) {
        let mut inner = Self(None);
        let value = check(&mut inner);
        let right = inner.0.is_none();
        if let Some(error) = inner.0 {
            self.combine(error);
        }
        (value, right)
    }

    /// The value, if nothing is wrong.
    fn end<T>(self, value: T) -> syn::Result<T> {
        match self.0 {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }
}
