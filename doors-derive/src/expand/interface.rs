//! What both sides must agree on, and the trait as it is put back.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, ItemTrait, TraitItem};

use super::types::Types;
use super::{half_types, local};
use crate::check::OURS;
use crate::model::{Kind, Outcome, Passing, Procedure, Version, docs};

/// The tables of the interface; `DOOR_INTERFACE` and `DOOR_METHODS` are seen by the other parts only.
pub(super) fn interface(
    types: &Types,
    version: Version,
    attributes: &[Attribute],
    methods: &[Procedure<'_>],
) -> TokenStream {
    let interface = &types.name;
    let Version { major, minor } = version;
    let version = quote!(::doors::typed::Version::new(#major, #minor));
    let count = Literal::usize_unsuffixed(methods.len());
    let methods = methods.iter().map(|method| {
        let (number, name, signature) = (method.number, method.text(), method.signature());
        let values = values(method);
        let docs = described(method.attributes);
        quote! {
            ::doors::typed::Method::new(
                #interface, #version, #number, #name, #signature, #values
            )#docs
        }
    });
    let docs = described(attributes);
    quote! {
        static DOOR_METHODS: [::doors::typed::Method; #count] = [#(#methods),*];
        static DOOR_INTERFACE: ::doors::typed::Interface =
            ::doors::typed::Interface::new(#interface, #version, &DOOR_METHODS)#docs;
    }
}

/// What is written above an item, for those who ask a door.
fn described(attributes: &[Attribute]) -> TokenStream {
    let docs = docs(attributes);
    if docs.is_empty() {
        quote!()
    } else {
        quote!(.described(#docs))
    }
}

/// Says what the values of a procedure look like.
fn values(procedure: &Procedure<'_>) -> TokenStream {
    let values = local("values");
    let arguments = procedure.arguments.iter().map(|argument| {
        let (ty, name) = (argument.ty, argument.name());
        let span = ty.span();
        match argument.passing() {
            Passing::Bytes => quote!(#values.argument_bytes(#name);),
            Passing::Whole => quote_spanned!(span=> #values.argument::<#ty>(#name);),
            Passing::SliceOf(element) => {
                quote_spanned!(span=> #values.argument::<::std::vec::Vec<#element>>(#name);)
            }
            Passing::ReferenceTo(referent) => {
                quote_spanned!(span=> #values.argument::<#referent>(#name);)
            }
            Passing::Carried => quote_spanned!(span=> #values.argument_carried::<#ty>(#name);),
            Passing::ReferenceToCarried(referent) => {
                quote_spanned!(span=> #values.argument_carried::<#referent>(#name);)
            }
            Passing::SliceOfCarried(element) => quote_spanned! {span=>
                #values.argument_carried::<::std::vec::Vec<#element>>(#name);
            },
            Passing::Borrowed => {
                quote!(#values.argument_carried::<::std::os::fd::OwnedFd>(#name);)
            }
            Passing::BorrowedIf => quote! {
                #values.argument_carried::<::core::option::Option<::std::os::fd::OwnedFd>>(#name);
            },
        }
    });
    let result = match &procedure.outcome {
        Outcome::Unit => quote!(),
        Outcome::Value(ty) => result_of(&quote!(#ty), ty.span(), Kind::of(ty), &values),
        Outcome::Fallible { ty, halves } => {
            let (value, error) = half_types(ty, *halves);
            let kind = halves.map_or(Kind::Value, |(value, _)| Kind::of(value));
            let result = result_of(&value, value.span(), kind, &values);
            let error = quote_spanned!(error.span()=> #values.error::<#error>(););
            quote!(#result #error)
        }
    };
    if procedure.arguments.is_empty() && result.is_empty() {
        quote!(|_| {})
    } else {
        quote!(|#values| { #(#arguments)* #result })
    }
}

fn result_of(ty: &TokenStream, span: Span, kind: Kind, values: &Ident) -> TokenStream {
    match kind {
        Kind::Bytes => quote!(#values.result_bytes();),
        Kind::Carried => quote_spanned!(span=> #values.result_carried::<#ty>();),
        Kind::Value => quote_spanned!(span=> #values.result::<#ty>();),
    }
}

/// The trait without our attributes.
pub(crate) fn stripped(item: &ItemTrait) -> ItemTrait {
    let mut item = item.clone();
    for part in &mut item.items {
        if let TraitItem::Fn(method) = part {
            method
                .attrs
                .retain(|attribute| !OURS.iter().any(|ours| attribute.path().is_ident(ours)));
        }
    }
    item
}
