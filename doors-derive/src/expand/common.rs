//! What every client has besides its methods.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Visibility;

use super::local;
use super::method::Manner;
use super::types::Types;
use crate::model::Procedure;

/// The constructor and the methods of every client; a method of the interface that is called so comes instead.
pub(super) fn common(
    types: &Types,
    visibility: &Visibility,
    methods: &[Procedure<'_>],
    manner: Manner,
) -> Vec<TokenStream> {
    let [path, deadline] = ["path", "deadline"].map(local);
    let (asynchronous, opened, bounded) = match manner {
        Manner::Blocking => (
            quote!(),
            quote!(::doors::Client::open(#path)),
            quote!(::doors::Client::until(self, #deadline)),
        ),
        Manner::Awaited => (
            quote!(async),
            quote! {
                ::core::result::Result::map(
                    ::doors::typed::Awaited::open(#path).await,
                    |target| Self { target },
                )
            },
            quote!(Self { target: self.target.until(#deadline) }),
        ),
    };
    let open = quote! {
        /// Opens the door by its name.
        ///
        /// # Errors
        /// As [`Door::open`](::doors::Door::open).
        #visibility #asynchronous fn open(
            #path: impl ::core::convert::AsRef<::std::path::Path>,
        ) -> ::core::result::Result<Self, ::doors::DoorError> {
            #opened
        }
    };
    let door = quote! {
        /// The door that is called.
        #[must_use]
        #visibility fn door(&self) -> &::doors::Door {
            self.target.door()
        }
    };
    let until = quote! {
        /// A client of the same door whose calls all end at the deadline (monotonic clock).
        #[must_use]
        #visibility fn until(&self, #deadline: ::std::time::Instant) -> Self {
            #bounded
        }
    };
    let is_free = |name: &str| {
        methods
            .iter()
            .all(|method| types.method_name(method) != name)
    };
    [("open", open), ("door", door), ("until", until)]
        .into_iter()
        .filter(|(name, _)| is_free(name))
        .map(|(_, common)| common)
        .collect()
}
