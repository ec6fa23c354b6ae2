//! What is left of an item with errors, so that they are the only ones.

use proc_macro2::TokenStream;
use quote::quote;
use syn::FnArg;

use crate::expand::{conditions, types};
use crate::model::client_name;
use crate::parse::Function;

/// An item that is no function stays as it is.
pub(crate) fn of_item(item: TokenStream, error: &syn::Error) -> TokenStream {
    let mut tokens = item;
    tokens.extend(error.to_compile_error());
    tokens
}

/// A function stays as it is, and what would stand beside it has its names, so that whoever uses them is not told that
/// they do not exist.
pub(crate) fn of_function(function: &Function, error: &syn::Error) -> TokenStream {
    let errors = error.to_compile_error();
    let inputs = &function.signature.inputs;
    if inputs
        .iter()
        .any(|input| matches!(input, FnArg::Receiver(_)))
    {
        // It stands in an `impl`, where no type can.
        return quote!(#function #errors);
    }
    let name = &function.signature.ident;
    let client = client_name(name);
    let visibility = &function.visibility;
    let conditions = conditions(&function.attributes);
    let types = types(name, visibility, &conditions);
    quote! {
        #function
        #errors
        #types
        #(#conditions)*
        const _: () = {
            #[allow(dead_code)]
            impl #name {
                #visibility fn door() -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                    ::core::unreachable!()
                }

                #visibility fn door_with(
                    _: ::doors::Options,
                ) -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                    ::core::unreachable!()
                }
            }

            #[allow(dead_code)]
            impl #client {
                #visibility fn open(
                    _: impl ::core::convert::AsRef<::std::path::Path>,
                ) -> ::core::result::Result<Self, ::doors::DoorError> {
                    ::core::unreachable!()
                }

                #visibility fn door(&self) -> &::doors::Door {
                    &self.door
                }
            }

            impl ::core::convert::From<::doors::Door> for #client {
                fn from(door: ::doors::Door) -> Self {
                    Self { door }
                }
            }
        };
    }
}
