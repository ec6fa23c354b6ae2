//! What both sides must agree on, and the trait as it is put back.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, ItemTrait, TraitItem};

use super::types::Types;
use super::{half_types, local};
use crate::check::{OF_METHOD, RULES};
use crate::model::{
    Allowed, Codec, Kind, Outcome, Passing, Procedure, Rules, Version, count, docs,
};
use crate::parse::Function;

/// The tables of the interface; `DOOR_INTERFACE` and `DOOR_METHODS` are seen by the other parts only.
pub(super) fn interface(
    types: &Types,
    version: Version,
    codec: Codec,
    attributes: &[Attribute],
    rules: &Rules,
    methods: &[Procedure<'_>],
) -> TokenStream {
    let interface = &types.name;
    let version = version_of(version);
    let encoded = match codec {
        Codec::Fixed => quote!(),
        Codec::Rkyv => quote!(.encoded(::doors::typed::archive::CODEC)),
    };
    let count = count(methods);
    let methods = methods.iter().map(|method| {
        let leaf = (rules.leaf || method.rules.leaf).then(|| quote!(.leaf()));
        let (number, name, signature) = (method.number, method.text(), method.signature());
        let values = values(method);
        let docs = described(method.attributes);
        let since = method.since.map(version_of);
        let since = since.map(|version| quote!(.added(#version)));
        let callers = allowing(&method.rules);
        let conditions = types.conditions_of(method);
        quote! {
            #(#conditions)*
            ::doors::typed::Method::new(
                #interface, #version, #number, #name, #signature, #values
            )#encoded #docs #since #callers #leaf
        }
    });
    let docs = described(attributes);
    let callers = allowing(rules);
    quote! {
        static DOOR_METHODS: [::doors::typed::Method; #count] = [#(#methods),*];
        static DOOR_INTERFACE: ::doors::typed::Interface =
            ::doors::typed::Interface::new(#interface, #version, &DOOR_METHODS)#encoded #docs #callers;
    }
}

fn version_of(Version { major, minor }: Version) -> TokenStream {
    quote!(::doors::typed::Version::new(#major, #minor))
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

/// Who may call.
fn allowing(rules: &Rules) -> TokenStream {
    let Some(callers) = &rules.callers else {
        return quote!();
    };
    let callers = callers.iter().map(|caller| {
        let caller = match caller {
            Allowed::Anyone => quote!(Anyone),
            Allowed::Me => quote!(Me),
            Allowed::Uid(uid) => quote!(Uid(#uid)),
            Allowed::User(name) => quote!(User(#name)),
            Allowed::Gid(gid) => quote!(Gid(#gid)),
            Allowed::Group(name) => quote!(Group(#name)),
        };
        quote!(::doors::typed::Allowed::#caller)
    });
    quote!(.allowing(&[#(#callers),*]))
}

/// Says what the values of a procedure look like.
fn values(procedure: &Procedure<'_>) -> TokenStream {
    let values = local("values");
    let arguments = procedure.arguments.iter().map(|argument| {
        let (ty, name) = (argument.ty, argument.name());
        let span = ty.span();
        match argument.passing() {
            Passing::Bytes | Passing::BytesBeside => quote!(#values.argument_bytes(#name);),
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
            Passing::ArchiveOf { archive, .. } => {
                quote_spanned!(span=> #values.argument_archived::<#archive>(#name);)
            }
            Passing::Restored => {
                quote_spanned!(span=> #values.argument_restored::<#ty>(#name);)
            }
            Passing::TextBeside => quote!(#values.argument_text_beside(#name);),
            Passing::BorrowedIf => quote! {
                #values.argument_carried::<::core::option::Option<::std::os::fd::OwnedFd>>(#name);
            },
        }
    });
    let result = match &procedure.outcome {
        Outcome::Unit => quote!(),
        Outcome::Value(ty) => result_of(
            &quote!(#ty),
            ty.span(),
            Kind::of(ty, procedure.codec),
            &values,
        ),
        Outcome::Fallible { ty, halves } => {
            let (value, error) = half_types(ty, *halves);
            let kind = Kind::of_half(halves.map(|(value, _)| value), procedure.codec);
            let result = result_of(&value, value.span(), kind, &values);
            let error = match procedure.codec {
                Codec::Fixed => quote_spanned!(error.span()=> #values.error::<#error>();),
                Codec::Rkyv => quote_spanned!(error.span()=> #values.error_archived::<#error>();),
            };
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
        Kind::Archived => quote_spanned!(span=> #values.result_archived::<#ty>();),
    }
}

/// The trait without our attributes.
pub(crate) fn stripped(item: &ItemTrait) -> ItemTrait {
    let mut item = item.clone();
    item.attrs.retain(|attribute| !is_one(&RULES, attribute));
    for part in &mut item.items {
        if let TraitItem::Fn(method) = part {
            method
                .attrs
                .retain(|attribute| !is_one(&RULES, attribute) && !is_one(&OF_METHOD, attribute));
        }
    }
    item
}

/// The function without our attributes.
pub(crate) fn stripped_function(function: &Function) -> TokenStream {
    let attributes = function.attributes.iter();
    function.with(attributes.filter(|attribute| !is_one(&RULES, attribute)))
}

fn is_one(words: &[&str], attribute: &Attribute) -> bool {
    words.iter().any(|word| attribute.path().is_ident(word))
}
