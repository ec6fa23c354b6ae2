//! What is done for a call of one procedure.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::types::Types;
use super::{half_types, local, parameter};
use crate::model::{Argument, Call, Codec, Kind, Outcome, Passing, Procedure};

/// The arm of the procedure in the dispatch of its door; `run` calls the procedure with the arguments it is given.
pub(super) fn arm(
    types: &Types,
    procedure: &Procedure<'_>,
    incoming: &Ident,
    run: impl FnOnce(TokenStream) -> TokenStream,
) -> TokenStream {
    let [reader, call, answer] = ["arguments", "call", "answer"].map(local);
    let locals: Vec<Ident> = (0..procedure.arguments.len())
        .map(|at| local(&format!("argument_{at}")))
        .collect();
    let takes = procedure
        .arguments
        .iter()
        .map(|argument| take_argument(argument, &reader));
    let mut passed: Vec<TokenStream> = procedure
        .arguments
        .iter()
        .zip(&locals)
        .map(|(argument, local)| match argument.passing() {
            Passing::Whole
            | Passing::Bytes
            | Passing::ArchiveOf { .. }
            | Passing::Restored
            | Passing::TextBeside
            | Passing::BytesBeside => quote!(#local),
            Passing::Carried => quote!(#local.release()),
            Passing::SliceOf(_) | Passing::ReferenceTo(_) => quote!(&#local),
            Passing::ReferenceToCarried(_) | Passing::SliceOfCarried(_) => {
                quote!(&#local.release())
            }
            Passing::Borrowed => quote!(::std::os::fd::AsFd::as_fd(&#local.release())),
            Passing::BorrowedIf => quote! {
                ::core::option::Option::as_ref(&#local.release()).map(::std::os::fd::AsFd::as_fd)
            },
        })
        .collect();
    let mut given = quote!(_,);
    if let Some(Call { place, ty }) = procedure.call {
        // Spanned, so that another type of that name is what the compiler points at.
        let mut passed_call = call.clone();
        passed_call.set_span(call.span().located_at(ty.span()));
        passed.insert(place, quote!(#passed_call));
        given = quote!(#call,);
    }
    let data = parameter(procedure, &reader);
    let run = run(quote!(#(#passed),*));
    let number = procedure.number;
    let at = &procedure.place;
    let conditions = types.conditions_of(procedure);
    let read = quote! {
        &DOOR_METHODS[#at],
        |#data| ::core::result::Result::Ok((#(#takes,)*))
    };
    let arguments = quote!((#(#locals,)*));
    if let Some(ty) = procedure.answer {
        let value = local("value");
        let answers = answers(
            &procedure.outcome,
            procedure.codec,
            &quote!(#value),
            &answer,
        );
        // As above.
        let mut returned = value.clone();
        returned.set_span(value.span().located_at(ty.span()));
        return quote! {
            #(#conditions)*
            #number => {
                static DOOR_PUT: fn(#ty, &mut ::doors::typed::Outgoing<'_>) = |#value, #answer| #answers;
                #incoming.serve_answer(#read, &DOOR_PUT, |#arguments, #given| {
                    let #value = #run;
                    #returned
                })
            }
        };
    }
    let answers = answers(&procedure.outcome, procedure.codec, &run, &answer);
    if procedure.call.is_some() {
        quote!(#(#conditions)* #number => #incoming.serve_call(#read, |#arguments, #given #answer| #answers),)
    } else {
        quote!(#(#conditions)* #number => #incoming.serve(#read, |#arguments, #answer| #answers),)
    }
}

/// Takes an argument out of the data. Spanned, so that a type without serde is what the compiler points at.
fn take_argument(argument: &Argument<'_>, reader: &Ident) -> TokenStream {
    let ty = argument.ty;
    let name = argument.name();
    let span = ty.span();
    match argument.passing() {
        Passing::Whole => quote_spanned!(span=> #reader.take::<#ty>(#name)?),
        Passing::Bytes => quote_spanned!(span=> #reader.take_bytes(#name)?),
        Passing::SliceOf(element) => {
            quote_spanned!(span=> #reader.take::<::std::vec::Vec<#element>>(#name)?)
        }
        Passing::ReferenceTo(referent) => quote_spanned!(span=> #reader.take::<#referent>(#name)?),
        Passing::Carried => quote_spanned!(span=> #reader.take_carried::<#ty>(#name)?),
        Passing::ReferenceToCarried(referent) => {
            quote_spanned!(span=> #reader.take_carried::<#referent>(#name)?)
        }
        Passing::SliceOfCarried(element) => {
            quote_spanned!(span=> #reader.take_carried::<::std::vec::Vec<#element>>(#name)?)
        }
        Passing::Borrowed => quote!(#reader.take_carried::<::std::os::fd::OwnedFd>(#name)?),
        Passing::ArchiveOf { archive, .. } => {
            quote_spanned!(span=> #reader.take_archived::<#archive>(#name)?)
        }
        Passing::Restored => quote_spanned!(span=> #reader.take_restored::<#ty>(#name)?),
        Passing::TextBeside => quote!(#reader.take_text_beside(#name)?),
        Passing::BytesBeside => quote!(#reader.take_bytes_beside(#name)?),
        Passing::BorrowedIf => quote! {
            #reader.take_carried::<::core::option::Option<::std::os::fd::OwnedFd>>(#name)?
        },
    }
}

/// Runs the procedure and answers with what it returns.
fn answers(outcome: &Outcome<'_>, codec: Codec, run: &TokenStream, answer: &Ident) -> TokenStream {
    match outcome {
        Outcome::Unit => quote!(#answer.value::<()>(&#run)),
        Outcome::Value(ty) => put(&quote!(#ty), ty.span(), Kind::of(ty, codec), run, answer),
        Outcome::Fallible { ty, halves } => {
            let [value, error] = ["value", "error"].map(local);
            let (ok, err) = half_types(ty, *halves);
            let kind = Kind::of_half(halves.map(|(value, _)| value), codec);
            let put = put(&ok, ok.span(), kind, &quote!(#value), answer);
            let put_error = match codec {
                Codec::Fixed => quote_spanned!(err.span()=> #answer.error::<#err>(&#error)),
                Codec::Rkyv => {
                    quote_spanned!(err.span()=> #answer.error_archived::<#err>(&#error))
                }
            };
            let result = match halves {
                Some(_) => run.clone(),
                None => {
                    quote_spanned!(ty.span()=> <#ty as ::doors::typed::Fallible>::into_result(#run))
                }
            };
            quote! {
                match #result {
                    ::core::result::Result::Ok(#value) => #put,
                    ::core::result::Result::Err(#error) => #put_error,
                }
            }
        }
    }
}

fn put(
    ty: &TokenStream,
    span: Span,
    kind: Kind,
    value: &TokenStream,
    answer: &Ident,
) -> TokenStream {
    match kind {
        Kind::Bytes => quote!(#answer.value_bytes(#value)),
        Kind::Carried => quote_spanned!(span=> #answer.carried::<#ty>(#value)),
        Kind::Value => quote_spanned!(span=> #answer.value::<#ty>(&#value)),
        Kind::Archived => quote_spanned!(span=> #answer.value_archived::<#ty>(&#value)),
    }
}
