//! The side that calls and awaits.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Visibility;

use super::common::common;
use super::local;
use super::method::{Manner, method};
use super::types::Types;
use crate::model::Procedure;

/// The client whose methods are awaited: all of it is for a macro of `doors`, which lets it through if that crate has its feature
/// `tokio`. No feature of the crate where the item stands is asked for.
pub(super) fn client(
    types: &Types,
    visibility: &Visibility,
    methods: &[Procedure<'_>],
) -> TokenStream {
    let (blocking, awaited) = (&types.client, &types.awaited);
    let [client, door] = ["client", "door"].map(local);
    let common = common(types, visibility, methods, Manner::Awaited);
    let methods = methods
        .iter()
        .map(|procedure| method(types, visibility, procedure, Manner::Awaited));
    quote! {
        ::doors::__awaited! {
            #[allow(dead_code, clippy::too_many_arguments)]
            impl #awaited {
                #(#common)*
                #(#methods)*
            }

            impl ::core::convert::From<::doors::Door> for #awaited {
                fn from(#door: ::doors::Door) -> Self {
                    Self { target: ::core::convert::From::from(#door) }
                }
            }

            /// The calls have the deadline that those of the client have.
            impl ::core::convert::From<#blocking> for #awaited {
                fn from(#client: #blocking) -> Self {
                    Self { target: ::core::convert::From::from(#client.target) }
                }
            }
        }
    }
}
