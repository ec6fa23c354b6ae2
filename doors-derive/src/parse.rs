//! The item, as far as the macro looks into it.

use proc_macro2::{Group, TokenStream};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, ItemTrait, Signature, Token, Visibility};

/// What `#[door]` can stand on.
pub(crate) enum Item {
    Function(Function),
    Trait(ItemTrait),
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if begins_trait(&ahead) {
            return input.parse().map(Self::Trait);
        }
        if begins_function(&ahead) {
            return input.parse().map(Self::Function);
        }
        // The error is at what stands there instead.
        let error = ahead.error("`#[door]` makes a door of a trait or a function: this is neither");
        input.advance_to(&ahead);
        Err(error)
    }
}

fn begins_trait(input: ParseStream<'_>) -> bool {
    input.peek(Token![trait])
        || input.peek(Token![unsafe]) && input.peek2(Token![trait])
        || input.peek(Token![auto]) && input.peek2(Token![trait])
}

/// A function whose body is not looked into: one that does not parse still gets its errors from the compiler.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(input.error("a server procedure needs a body"));
        }
        Ok(Self {
            attributes,
            visibility,
            signature,
            body: input.parse()?,
        })
    }
}

fn begins_function(input: ParseStream<'_>) -> bool {
    // What may come before `fn`, but for `const`, which also begins a constant.
    let qualified = input.peek(Token![async])
        || input.peek(Token![unsafe]) && !input.peek2(Token![impl]) && !input.peek2(Token![trait])
        || input.peek(Token![extern]) && !input.peek2(Token![crate]);
    let constant = input.peek(Token![const])
        && (input.peek2(Token![fn])
            || input.peek2(Token![async])
            || input.peek2(Token![unsafe])
            || input.peek2(Token![extern]));
    input.peek(Token![fn]) || qualified || constant
}

impl Function {
    /// The function with these attributes instead of its own.
    pub(crate) fn with<'a>(&self, attributes: impl Iterator<Item = &'a Attribute>) -> TokenStream {
        let Self {
            visibility,
            signature,
            body,
            ..
        } = self;
        quote::quote!(#(#attributes)* #visibility #signature #body)
    }
}
