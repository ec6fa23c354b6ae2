//! The side that has the function.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{half_types, local, parameter};
use crate::model::{Argument, Outcome, Passing, Procedure, is_bytes};

pub(super) fn server(procedure: &Procedure<'_>) -> TokenStream {
    let name = procedure.name();
    let visibility = &procedure.function.visibility;
    let signature = procedure.signature();
    let [invocation, reader, answer] = ["invocation", "arguments", "answer"].map(local);
    let locals: Vec<Ident> = (0..procedure.arguments.len())
        .map(|at| local(&format!("argument_{at}")))
        .collect();
    let takes = procedure
        .arguments
        .iter()
        .map(|argument| take_argument(argument, &reader));
    let passed = procedure
        .arguments
        .iter()
        .zip(&locals)
        .map(|(argument, local)| match argument.passing() {
            Passing::Whole | Passing::Bytes => quote!(#local),
            Passing::SliceOf(_) | Passing::ReferenceTo(_) => quote!(&#local),
        });
    let data = parameter(procedure, &reader);
    let run = quote!(#name(#(#passed),*));
    let answers = answers(&procedure.outcome, &run, &answer);
    quote! {
        #[allow(dead_code)]
        impl #name {
            /// What caller and server must agree on.
            #visibility const INTERFACE: ::doors::typed::Interface =
                ::doors::typed::Interface::new(#signature);

            /// Makes a door of the function.
            ///
            /// # Errors
            /// As [`Door::create`](::doors::Door::create).
            #visibility fn door() -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                Self::door_with(::core::default::Default::default())
            }

            /// Makes a door of the function, with everything that can be chosen. It refuses descriptors in any case.
            ///
            /// # Errors
            /// As [`Door::create_with`](::doors::Door::create_with).
            #visibility fn door_with(
                options: ::doors::Options,
            ) -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                ::doors::typed::create(Self::serve, options)
            }

            /// Serves one call.
            fn serve(#invocation: ::doors::Invocation<'_>) -> ::doors::Returned {
                ::doors::typed::serve(
                    #invocation,
                    &Self::INTERFACE,
                    |#data| ::core::result::Result::Ok((#(#takes,)*)),
                    |(#(#locals,)*), #answer| #answers,
                )
            }
        }
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
    }
}

/// Runs the function and answers with what it returns.
fn answers(outcome: &Outcome<'_>, run: &TokenStream, answer: &Ident) -> TokenStream {
    match outcome {
        Outcome::Unit => quote!(#answer.value::<()>(&#run)),
        Outcome::Value(ty) if is_bytes(ty) => quote!(#answer.value_bytes(&#run)),
        Outcome::Value(ty) => quote_spanned!(ty.span()=> #answer.value::<#ty>(&#run)),
        Outcome::Fallible { ty, halves } => {
            let [value, error] = ["value", "error"].map(local);
            let (ok, err) = half_types(ty, *halves);
            let put = match halves {
                Some((ty, _)) if is_bytes(ty) => quote!(#answer.value_bytes(&#value)),
                _ => quote_spanned!(ok.span()=> #answer.value::<#ok>(&#value)),
            };
            let put_error = quote_spanned!(err.span()=> #answer.error::<#err>(&#error));
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
