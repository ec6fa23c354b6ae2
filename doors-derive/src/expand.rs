//! The code of a checked function's door.

mod client;
mod server;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Type};

use crate::model::{Procedure, client_name};

/// The function as it is, and beside it the types of its door and of its client.
///
/// Everything of ours is named by its full path and every local has a name that the source cannot see, so nothing in
/// scope where the function stands can get in between.
pub(crate) fn expand(procedure: &Procedure<'_>) -> TokenStream {
    let function = procedure.function;
    let conditions = conditions(&function.attributes);
    let types = types(procedure.name(), &function.visibility, &conditions);
    let server = server::server(procedure);
    let client = client::client(procedure);
    quote! {
        #function
        #types
        #(#conditions)*
        const _: () = {
            #server
            #client
        };
    }
}

/// The two types.
///
/// The door's has the function's name: types and functions do not share a namespace, and unlike a module it can stand
/// inside another function.
pub(crate) fn types(
    name: &Ident,
    visibility: &syn::Visibility,
    conditions: &[&Attribute],
) -> TokenStream {
    let client = client_name(name);
    let door_doc = format!("The door of the function `{name}`.");
    let client_doc = format!("Calls the function `{name}` behind a door.");
    quote! {
        #[doc = #door_doc]
        #(#conditions)*
        #[allow(non_camel_case_types, dead_code)]
        #[derive(::core::fmt::Debug)]
        #visibility enum #name {}

        #[doc = #client_doc]
        #(#conditions)*
        #[allow(dead_code)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #visibility struct #client {
            door: ::doors::Door,
        }
    }
}

/// The attributes that decide whether the function is there at all.
pub(crate) fn conditions(attributes: &[Attribute]) -> Vec<&Attribute> {
    let is_condition = |attribute: &&Attribute| attribute.path().is_ident("cfg");
    attributes.iter().filter(is_condition).collect()
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

/// A name that only the expansion sees.
fn local(name: &str) -> Ident {
    format_ident!("{name}", span = Span::mixed_site())
}
