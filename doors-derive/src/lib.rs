//! The macro `#[door]`; its documentation is in the crate `doors`, where the examples run.
//!
//! An item goes through the modules in the order parse, check, expand; what check refuses goes to fallback.

mod check;
mod expand;
mod fallback;
#[cfg(test)]
mod golden;
mod model;
mod parse;

use proc_macro2::TokenStream;

use self::parse::Item;

// Documented where it is re-exported: a sentence here would come twice.
#[expect(missing_docs, reason = "the documentation is in the crate doors")]
#[proc_macro_attribute]
pub fn door(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expansion(&arguments.into(), item.into()).into()
}

fn expansion(arguments: &TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2(item.clone()) {
        Ok(Item::Function(function)) => match check::function(arguments, &function) {
            Ok(single) => expand::function(&single),
            Err(error) => fallback::of_function(&function, &error),
        },
        Ok(Item::Trait(item)) => match check::interface(arguments, &item) {
            Ok(service) => expand::interface(&service),
            Err((error, methods)) => fallback::of_trait(&item, &error, &methods),
        },
        Err(error) => fallback::of_item(item, &error),
    }
}
