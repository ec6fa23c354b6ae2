//! What an item must be like; all that is wrong is reported at once.

mod attributes;
mod interface;
mod signature;
mod types;

use proc_macro2::TokenStream;
use syn::{FnArg, ItemTrait};

use self::attributes::Arguments;
pub(crate) use self::attributes::OURS;
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
    let (arguments, outcome) = signature::check(&function.signature, &mut faults);
    faults.end(Single {
        function,
        version,
        procedure: Procedure {
            name: &function.signature.ident,
            attributes: &function.attributes,
            number: 1,
            arguments,
            outcome,
        },
    })
}

/// Checks a trait, or says all that is wrong with it.
pub(crate) fn interface<'a>(
    attribute: &TokenStream,
    item: &'a ItemTrait,
) -> syn::Result<Service<'a>> {
    let mut faults = Faults(None);
    let arguments = Arguments::read(attribute, &mut faults);
    let service = interface::check(item, &arguments, &mut faults);
    faults.end(service)
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

    /// The value, if nothing is wrong.
    fn end<T>(self, value: T) -> syn::Result<T> {
        match self.0 {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }
}
