//! The code of a checked item's door.

mod arm;
mod awaited;
mod client;
mod common;
mod interface;
mod method;
mod server;
mod types;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Type};

pub(crate) use self::interface::{stripped, stripped_function};
pub(crate) use self::types::{Types, conditions};
use crate::model::{Outcome, Procedure, Rules, Service, Single};

/// The function as it is, and beside it the types of its door and of its client.
///
/// Everything of ours is named by its full path and every local has a name that the source cannot see, so nothing in
/// scope where the item stands can get in between.
pub(crate) fn function(single: &Single<'_>) -> TokenStream {
    let function = single.function;
    let types = Types::of_function(function);
    let methods = std::slice::from_ref(&single.procedure);
    let parts = [
        interface::interface(
            &types,
            single.version,
            single.codec,
            &[],
            &Rules::default(),
            methods,
        ),
        server::of_function(&types, &single.procedure),
        client::client(&types, &function.visibility, methods),
        awaited::client(&types, &function.visibility, methods),
    ];
    put_together(
        &stripped_function(function),
        &types,
        &function.attributes,
        &parts,
    )
}

/// The trait without our attributes, and beside it the types of its door and of its client.
pub(crate) fn interface(service: &Service<'_>) -> TokenStream {
    let item = stripped(service.item);
    let types = Types::of_trait(service.item);
    let parts = [
        interface::interface(
            &types,
            service.version,
            service.codec,
            &service.item.attrs,
            &service.rules,
            &service.methods,
        ),
        server::of_trait(&types, service),
        client::client(&types, &service.item.vis, &service.methods),
        awaited::client(&types, &service.item.vis, &service.methods),
    ];
    put_together(&quote!(#item), &types, &service.item.attrs, &parts)
}

fn put_together(
    item: &TokenStream,
    types: &Types,
    attributes: &[Attribute],
    parts: &[TokenStream],
) -> TokenStream {
    let declared = types.declared();
    let conditions = conditions(attributes);
    quote! {
        #item
        #declared
        #(#conditions)*
        #[allow(deprecated)]
        const _: () = {
            #(#parts)*
        };
    }
}

/// The parameter of a closure that does something for each argument.
fn parameter(procedure: &Procedure<'_>, name: &Ident) -> TokenStream {
    if procedure.arguments.is_empty() {
        quote!(_)
    } else {
        quote!(#name)
    }
}

/// The types of a `Result`'s halves; through a trait where an alias hides them.
fn half_types(ty: &Type, halves: Option<(&Type, &Type)>) -> (TokenStream, TokenStream) {
    match halves {
        Some((value, error)) => (quote!(#value), quote!(#error)),
        None => (
            quote_spanned!(ty.span()=> <#ty as ::doors::typed::Fallible>::Value),
            quote_spanned!(ty.span()=> <#ty as ::doors::typed::Fallible>::Error),
        ),
    }
}

/// What a caller gets: the type of the value and that of the error.
pub(crate) fn outcome_types(outcome: &Outcome<'_>) -> (TokenStream, TokenStream) {
    let never = quote!(::core::convert::Infallible);
    match outcome {
        Outcome::Unit => (quote!(()), never),
        Outcome::Value(ty) => (quote!(#ty), never),
        Outcome::Fallible { ty, halves } => half_types(ty, *halves),
    }
}

/// A name that only the expansion sees.
fn local(name: &str) -> Ident {
    format_ident!("{name}", span = Span::mixed_site())
}
