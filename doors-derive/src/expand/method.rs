//! The methods of a client.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Type, Visibility};

use super::types::Types;
use super::{half_types, local, outcome_types, parameter};
use crate::model::{Argument, Codec, Kind, Outcome, Passing, Procedure};

/// Who makes the calls.
#[derive(Clone, Copy)]
pub(super) enum Manner {
    /// The thread that calls the method.
    Blocking,
    /// Another one, which is awaited.
    Awaited,
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
