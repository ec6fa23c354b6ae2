//! The side that calls.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::{half_types, local, parameter};
use crate::model::{Argument, Outcome, Passing, Procedure, client_name, is_bytes};

pub(super) fn client(procedure: &Procedure<'_>) -> TokenStream {
    let name = procedure.name();
    let client = client_name(name);
    let visibility = &procedure.function.visibility;
    let docs = procedure
        .function
        .attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .collect::<Vec<_>>();
    let call_doc = format!("Calls `{}`.", procedure.signature());
    let [writer, deadline, door, path] = ["arguments", "deadline", "door", "path"].map(local);

    let names: Vec<&Ident> = procedure
        .arguments
        .iter()
        .map(|argument| argument.name)
        .collect();
    let parameters: Vec<TokenStream> = procedure
        .arguments
        .iter()
        .map(|Argument { name, ty }| quote!(#name: #ty))
        .collect();
    let puts = procedure
        .arguments
        .iter()
        .map(|argument| put_argument(argument, &writer));
    let data = parameter(procedure, &writer);
    let (value, error, call, reads) = reading(&procedure.outcome);
    let returned = quote! {
        ::core::result::Result<#value, ::doors::typed::ProcedureError<#error>>
    };
    quote! {
        #[allow(dead_code, clippy::too_many_arguments)]
        impl #client {
            /// Opens the door by its name.
            ///
            /// # Errors
            /// As [`Door::open`](::doors::Door::open).
            #visibility fn open(
                #path: impl ::core::convert::AsRef<::std::path::Path>,
            ) -> ::core::result::Result<Self, ::doors::DoorError> {
                ::doors::Door::open(#path).map(|#door| Self { door: #door })
            }

            /// The door that is called.
            #[must_use]
            #visibility fn door(&self) -> &::doors::Door {
                &self.door
            }

            #[doc = #call_doc]
            ///
            #(#docs)*
            ///
            /// # Errors
            /// The function's own error, or why there is none: see
            /// [`ProcedureError`](::doors::typed::ProcedureError).
            #visibility fn call(&self, #(#parameters),*) -> #returned {
                self.call_by(::core::option::Option::None, #(#names),*)
            }

            /// As [`call`](Self::call), with a deadline (monotonic clock).
            ///
            /// # Errors
            /// As [`call`](Self::call), and as [`Door::call_until`](::doors::Door::call_until).
            #visibility fn call_until(
                &self,
                #deadline: ::std::time::Instant,
                #(#parameters),*
            ) -> #returned {
                self.call_by(::core::option::Option::Some(#deadline), #(#names),*)
            }

            fn call_by(
                &self,
                #deadline: ::core::option::Option<::std::time::Instant>,
                #(#parameters),*
            ) -> #returned {
                #call(
                    &self.door,
                    &#name::INTERFACE,
                    #deadline,
                    |#data| {
                        #(#puts;)*
                    },
                    #reads
                )
            }
        }

        impl ::core::convert::From<::doors::Door> for #client {
            fn from(#door: ::doors::Door) -> Self {
                Self { door: #door }
            }
        }
    }
}

fn put_argument(argument: &Argument<'_>, writer: &Ident) -> TokenStream {
    let name = argument.name();
    let local = argument.name;
    match (argument.passing(), argument.ty) {
        (Passing::Bytes, _) => quote!(#writer.put_bytes(#name, &#local)),
        (Passing::Whole, Type::Reference(reference))
            if matches!(&*reference.elem, Type::Slice(_)) =>
        {
            quote!(#writer.put_bytes(#name, #local))
        }
        (_, ty) => quote_spanned!(ty.span()=> #writer.put::<#ty>(#name, &#local)),
    }
}

/// The types of value and error, the function that makes the call, and the closures that read the results for it.
fn reading(outcome: &Outcome<'_>) -> (TokenStream, TokenStream, TokenStream, TokenStream) {
    let plain = quote!(::doors::typed::call);
    let never = quote!(::core::convert::Infallible);
    match outcome {
        Outcome::Unit => {
            let read = read(&quote!(()), Span::call_site(), false);
            (quote!(()), never, plain, read)
        }
        Outcome::Value(ty) => {
            let read = read(&quote!(#ty), ty.span(), is_bytes(ty));
            (quote!(#ty), never, plain, read)
        }
        Outcome::Fallible { ty, halves } => {
            let (value, error) = half_types(ty, *halves);
            let bytes = halves.is_some_and(|(value, _)| is_bytes(value));
            let read_value = read(&value, value.span(), bytes);
            let read_error = read(&error, error.span(), false);
            let reads = quote!(#read_value #read_error);
            (value, error, quote!(::doors::typed::call_fallible), reads)
        }
    }
}

fn read(ty: &TokenStream, span: Span, bytes: bool) -> TokenStream {
    let reader = local("results");
    let what = Literal::string("results");
    if bytes {
        quote_spanned!(span=> |#reader| #reader.take_bytes(#what),)
    } else {
        quote_spanned!(span=> |#reader| #reader.take::<#ty>(#what),)
    }
}
