//! The side that calls.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Type, Visibility};

use super::types::Types;
use super::{half_types, local, outcome_types, parameter};
use crate::model::{Argument, Codec, Kind, Outcome, Passing, Procedure};

/// The names of what every client has; a method of the interface that is called so comes instead.
const COMMON: [&str; 3] = ["open", "door", "until"];

/// Who makes the calls.
#[derive(Clone, Copy)]
pub(super) enum Manner {
    /// The thread that calls the method.
    Blocking,
    /// Another one, which is awaited.
    Awaited,
}

/// Those of the common names that no method has.
pub(super) fn common(
    types: &Types,
    methods: &[Procedure<'_>],
) -> impl Iterator<Item = &'static str> {
    COMMON.into_iter().filter(|common| {
        !methods
            .iter()
            .any(|method| types.method_name(method) == *common)
    })
}

pub(super) fn client(
    types: &Types,
    visibility: &Visibility,
    methods: &[Procedure<'_>],
) -> TokenStream {
    let client = &types.client;
    let [door, path, deadline, target, serializer] =
        ["door", "path", "deadline", "target", "S"].map(local);
    let common = common(types, methods)
        .map(|common| match common {
            "open" => quote! {
                /// Opens the door by its name.
                ///
                /// # Errors
                /// As [`Door::open`](::doors::Door::open).
                #visibility fn open(
                    #path: impl ::core::convert::AsRef<::std::path::Path>,
                ) -> ::core::result::Result<Self, ::doors::DoorError> {
                    ::doors::Client::open(#path)
                }
            },
            "door" => quote! {
                /// The door that is called.
                #[must_use]
                #visibility fn door(&self) -> &::doors::Door {
                    self.target.door()
                }
            },
            _ => quote! {
                /// A client of the same door whose calls all end at the deadline (monotonic clock).
                #[must_use]
                #visibility fn until(&self, #deadline: ::std::time::Instant) -> Self {
                    ::doors::Client::until(self, #deadline)
                }
            },
        })
        .collect::<Vec<_>>();
    let methods = methods
        .iter()
        .map(|method| self::method(types, visibility, method, Manner::Blocking));
    quote! {
        #[allow(dead_code, clippy::too_many_arguments)]
        impl #client {
            #(#common)*
            #(#methods)*
        }

        impl ::doors::Client for #client {
            const INTERFACE: &'static ::doors::typed::Interface = &DOOR_INTERFACE;

            fn door(&self) -> &::doors::Door {
                self.target.door()
            }

            fn until(&self, #deadline: ::std::time::Instant) -> Self {
                Self { target: self.target.until(#deadline) }
            }
        }

        impl ::core::convert::From<::doors::Door> for #client {
            fn from(#door: ::doors::Door) -> Self {
                Self { target: ::core::convert::From::from(#door) }
            }
        }

        impl ::doors::typed::serde::Serialize for #client {
            fn serialize<#serializer: ::doors::typed::serde::Serializer>(
                &self,
                #target: #serializer,
            ) -> ::core::result::Result<#serializer::Ok, #serializer::Error> {
                ::doors::typed::put_door(self, #target)
            }
        }

        impl<'de> ::doors::typed::serde::Deserialize<'de> for #client {
            fn deserialize<#serializer: ::doors::typed::serde::Deserializer<'de>>(
                #target: #serializer,
            ) -> ::core::result::Result<Self, #serializer::Error> {
                ::doors::typed::take_door(#target)
            }
        }
    }
}

/// The method that calls one procedure.
pub(super) fn method(
    types: &Types,
    visibility: &Visibility,
    procedure: &Procedure<'_>,
    manner: Manner,
) -> TokenStream {
    let docs = procedure
        .attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .collect::<Vec<_>>();
    let call_doc = format!("Calls `{}`.", procedure.signature());
    let name = types.method_name(procedure);
    let writer = local("arguments");
    let parameters: Vec<TokenStream> = procedure
        .arguments
        .iter()
        .map(|argument| {
            let (name, ty) = (argument.name, argument.given());
            quote!(#name: #ty)
        })
        .collect();
    let puts = procedure
        .arguments
        .iter()
        .map(|argument| put_argument(argument, &writer));
    let data = parameter(procedure, &writer);
    let (value, error) = outcome_types(&procedure.outcome);
    let (call, reads) = reading(&procedure.outcome, procedure.codec);
    let at = &procedure.place;
    let conditions = types.conditions_of(procedure);
    let deprecated = procedure
        .attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("deprecated"));
    let (asynchronous, awaited) = match manner {
        Manner::Blocking => (quote!(), quote!()),
        Manner::Awaited => (quote!(async), quote!(.await)),
    };
    quote! {
        #[doc = #call_doc]
        ///
        #(#docs)*
        ///
        /// # Errors
        /// Its own error, or why there is none: see
        /// [`ProcedureError`](::doors::ProcedureError).
        #(#conditions)*
        #(#deprecated)*
        #visibility #asynchronous fn #name(
            &self,
            #(#parameters),*
        ) -> ::core::result::Result<#value, ::doors::ProcedureError<#error>> {
            self.target.#call(
                &DOOR_INTERFACE,
                &DOOR_METHODS[#at],
                |#data| {
                    #(#puts;)*
                },
                #reads
            )#awaited
        }
    }
}

fn put_argument(argument: &Argument<'_>, writer: &Ident) -> TokenStream {
    let name = argument.name();
    let local = argument.name;
    match (argument.passing(), argument.ty) {
        (Passing::Carried, _) => quote_spanned!(argument.ty.span()=> #writer.lend(#name, &#local)),
        (Passing::ReferenceToCarried(_), _) => quote!(#writer.lend(#name, #local)),
        (Passing::SliceOfCarried(_), _) => quote!(#writer.lend_all(#name, #local)),
        (Passing::Borrowed, _) => quote!(#writer.lend_fd(#local)),
        (Passing::BorrowedIf, _) => quote!(#writer.lend_fd_if(#local)),
        (Passing::Bytes, _) => quote!(#writer.put_bytes(#name, &#local)),
        (Passing::ArchiveOf { value, .. }, ty) => {
            quote_spanned!(ty.span()=> #writer.put_archived::<#value>(#name, #local))
        }
        (Passing::Restored, ty) => {
            quote_spanned!(ty.span()=> #writer.put_archived::<#ty>(#name, &#local))
        }
        (Passing::TextBeside, _) => quote!(#writer.put_text_beside(#name, #local)),
        (Passing::BytesBeside, _) => quote!(#writer.put_bytes_beside(#name, #local)),
        (Passing::Whole, Type::Reference(reference))
            if matches!(&*reference.elem, Type::Slice(_)) =>
        {
            quote!(#writer.put_bytes(#name, #local))
        }
        (_, ty) => quote_spanned!(ty.span()=> #writer.put::<#ty>(#name, &#local)),
    }
}

/// The name of the function that makes the call, and the closures that read the results for it.
fn reading(outcome: &Outcome<'_>, codec: Codec) -> (TokenStream, TokenStream) {
    match outcome {
        Outcome::Unit => {
            let read = read(&quote!(()), Span::call_site(), Kind::Value);
            (quote!(call), read)
        }
        Outcome::Value(ty) => {
            let read = read(&quote!(#ty), ty.span(), Kind::of(ty, codec));
            (quote!(call), read)
        }
        Outcome::Fallible { ty, halves } => {
            let (value, error) = half_types(ty, *halves);
            let kind = Kind::of_half(halves.map(|(value, _)| value), codec);
            let read_value = read(&value, value.span(), kind);
            let read_error = read(&error, error.span(), Kind::of_half(None, codec));
            (quote!(call_fallible), quote!(#read_value #read_error))
        }
    }
}

fn read(ty: &TokenStream, span: Span, kind: Kind) -> TokenStream {
    let reader = local("results");
    let what = Literal::string("results");
    match kind {
        Kind::Bytes => quote_spanned!(span=> |#reader| #reader.take_bytes(#what),),
        Kind::Carried => quote_spanned!(span=> |#reader| #reader.take_carried_alone::<#ty>(#what),),
        Kind::Value => quote_spanned!(span=> |#reader| #reader.take::<#ty>(#what),),
        Kind::Archived => quote_spanned!(span=> |#reader| #reader.take_restored::<#ty>(#what),),
    }
}
