//! What is left of an item with errors, so that they are the only ones.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, FnArg, ItemTrait, Visibility};

use crate::expand::{Types, conditions, outcome_types, stripped, stripped_function};
use crate::model::{Argument, Procedure};
use crate::parse::Function;

/// An item that is neither stays as it is.
pub(crate) fn of_item(item: TokenStream, error: &syn::Error) -> TokenStream {
    let mut tokens = item;
    tokens.extend(error.to_compile_error());
    tokens
}

/// A function stays as it is, and what would stand beside it has its names, so that whoever uses them is not told that
/// they do not exist.
pub(crate) fn of_function(function: &Function, error: &syn::Error) -> TokenStream {
    let errors = error.to_compile_error();
    let item = stripped_function(function);
    let inputs = &function.signature.inputs;
    if inputs
        .iter()
        .any(|input| matches!(input, FnArg::Receiver(_)))
    {
        // It stands in an `impl`, where no type can.
        return quote!(#item #errors);
    }
    let types = Types::of_function(function);
    let (door, visibility) = (&types.door, &function.visibility);
    let methods = quote! {
        impl #door {
            #visibility fn door() -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                ::core::unreachable!()
            }

            #visibility fn door_with(
                _: ::doors::Options,
            ) -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                ::core::unreachable!()
            }
        }
    };
    let conditions = conditions(&function.attributes);
    let beside = beside(&types, visibility, &conditions, &methods);
    quote!(#item #errors #beside)
}

/// A trait stays as it is, without our attributes.
pub(crate) fn of_trait(
    item: &ItemTrait,
    error: &syn::Error,
    methods: &[Procedure<'_>],
) -> TokenStream {
    let errors = error.to_compile_error();
    let types = Types::of_trait(item);
    let (door, client, visibility) = (&types.door, &types.client, &item.vis);
    let calls = methods
        .iter()
        .map(|method| unreachable(method, visibility, &quote!()));
    let awaited = &types.awaited;
    let awaits = methods
        .iter()
        .map(|method| unreachable(method, visibility, &quote!(async)));
    let methods = quote! {
        #[allow(clippy::too_many_arguments)]
        impl #client {
            #(#calls)*
        }

        ::doors::__awaited! {
            #[allow(dead_code, clippy::too_many_arguments, clippy::unused_async)]
            impl #awaited {
                #(#awaits)*
            }
        }

        #[allow(dead_code)]
        impl #door {
            #visibility fn serve<T>(
                _: T,
            ) -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                ::core::unreachable!()
            }

            #visibility fn serve_object<T>(
                _: T,
            ) -> ::core::result::Result<#client, ::doors::DoorError> {
                ::core::unreachable!()
            }

            #visibility fn serve_with<T>(
                _: T,
                _: ::doors::Options,
            ) -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                ::core::unreachable!()
            }
        }
    };
    let conditions = conditions(&item.attrs);
    let beside = beside(&types, visibility, &conditions, &methods);
    let item = stripped(item);
    quote!(#item #errors #beside)
}

/// A method of a client that calls nothing.
fn unreachable(
    method: &Procedure<'_>,
    visibility: &Visibility,
    asynchronous: &TokenStream,
) -> TokenStream {
    let name = method.name;
    let types = method.arguments.iter().map(Argument::given);
    let (value, error) = outcome_types(&method.outcome);
    let conditions = method.conditions();
    quote! {
        #(#conditions)*
        #visibility #asynchronous fn #name(
            &self,
            #(_: #types),*
        ) -> ::core::result::Result<#value, ::doors::ProcedureError<#error>> {
            ::core::unreachable!()
        }
    }
}

/// What would stand beside the item.
fn beside(
    types: &Types,
    visibility: &Visibility,
    conditions: &[Attribute],
    methods: &TokenStream,
) -> TokenStream {
    let (client, awaited) = (&types.client, &types.awaited);
    let declared = types.declared();
    quote! {
        #declared
        #(#conditions)*
        const _: () = {
            #[allow(dead_code)]
            #methods

            #[allow(dead_code)]
            impl #client {
                #visibility fn open(
                    _: impl ::core::convert::AsRef<::std::path::Path>,
                ) -> ::core::result::Result<Self, ::doors::DoorError> {
                    ::core::unreachable!()
                }

                #visibility fn door(&self) -> &::doors::Door {
                    self.target.door()
                }
            }

            impl ::core::convert::From<::doors::Door> for #client {
                fn from(door: ::doors::Door) -> Self {
                    Self { target: ::core::convert::From::from(door) }
                }
            }

            ::doors::__awaited! {
                #[allow(dead_code, clippy::unused_async)]
                impl #awaited {
                    #visibility async fn open(
                        _: impl ::core::convert::AsRef<::std::path::Path>,
                    ) -> ::core::result::Result<Self, ::doors::DoorError> {
                        ::core::unreachable!()
                    }

                    #visibility fn door(&self) -> &::doors::Door {
                        self.target.door()
                    }
                }

                impl ::core::convert::From<#client> for #awaited {
                    fn from(client: #client) -> Self {
                        Self { target: ::core::convert::From::from(client.target) }
                    }
                }
            }
        };
    }
}
