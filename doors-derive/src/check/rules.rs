//! What may be said of one procedure or of all: `#[allow_callers(me, group = "wheel")]`, `#[leaf]`.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Lit, Meta};

use super::Faults;
use crate::model::{Allowed, Rules};

/// The attributes that are rules: they are taken out before the item is put back.
pub(crate) const RULES: [&str; 2] = ["allow_callers", "leaf"];

const HOW: &str = "say whom: `#[allow_callers(me, uid = 0, group = \"wheel\")]`";

/// Reads them; what is wrong goes to the faults.
pub(super) fn read(attributes: &[Attribute], faults: &mut Faults) -> Rules {
    let mut rules = Rules::default();
    for attribute in attributes {
        if attribute.path().is_ident("allow_callers") {
            if rules.callers.is_some() {
                faults.add(attribute, "say all callers in one `#[allow_callers]`");
            }
            rules.callers = Some(callers(attribute, faults));
        } else if attribute.path().is_ident("leaf") {
            if !matches!(attribute.meta, Meta::Path(_)) {
                faults.add(attribute, "`#[leaf]` stands alone");
            } else if rules.leaf {
                faults.add(attribute, "it is said already that it is leaf");
            }
            rules.leaf = true;
        }
    }
    rules
}

fn callers(attribute: &Attribute, faults: &mut Faults) -> Vec<Allowed> {
    let mut callers = Vec::new();
    let mut anyone: Option<Span> = None;
    if !matches!(attribute.meta, Meta::List(_)) {
        faults.add(attribute, HOW);
        return callers;
    }
    let parsed = attribute.parse_nested_meta(|word| {
        let caller = caller(&word)?;
        if matches!(caller, Allowed::Anyone) {
            anyone = Some(word.path.span());
        }
        callers.push(caller);
        Ok(())
    });
    match (parsed, anyone) {
        (Err(error), _) => faults.combine(error),
        (Ok(()), _) if callers.is_empty() => faults.add(attribute, HOW),
        (Ok(()), Some(span)) if callers.len() > 1 => faults.combine(syn::Error::new(
            span,
            "beside `anyone` the others mean nothing: leave it out, or leave them out",
        )),
        (Ok(()), _) => {}
    }
    callers
}

fn caller(word: &ParseNestedMeta<'_>) -> syn::Result<Allowed> {
    let known = ["anyone", "me", "uid", "user", "gid", "group"];
    let name = known.into_iter().find(|known| word.path.is_ident(known));
    match name {
        Some("anyone") => alone(word).map(|()| Allowed::Anyone),
        Some("me") => alone(word).map(|()| Allowed::Me),
        Some("uid") => number(word, "`user = \"..\"`").map(Allowed::Uid),
        Some("gid") => number(word, "`group = \"..\"`").map(Allowed::Gid),
        Some("user") => text(word, "`uid = ..`").map(Allowed::User),
        Some("group") => text(word, "`gid = ..`").map(Allowed::Group),
        _ => Err(word.error(
            "callers are named by `me`, `uid = 0`, `user = \"..\"`, `gid = 0`, `group = \"..\"`, or `anyone`",
        )),
    }
}

fn alone(word: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if word.input.is_empty() || word.input.peek(syn::Token![,]) {
        return Ok(());
    }
    Err(word.input.error("this word stands alone"))
}

fn number(word: &ParseNestedMeta<'_>, otherwise: &str) -> syn::Result<u32> {
    let what = format!("an id is a number; a name is given by {otherwise}");
    let Lit::Int(number) = word.value()?.parse()? else {
        return Err(word.error(what));
    };
    // The last one stands for no id at all (chown(2)).
    match number.base10_parse() {
        Ok(u32::MAX) | Err(_) => Err(syn::Error::new(
            number.span(),
            "an id is from 0 to 4294967294",
        )),
        Ok(id) => Ok(id),
    }
}

fn text(word: &ParseNestedMeta<'_>, otherwise: &str) -> syn::Result<String> {
    let what = format!("a name is a text; a number is given by {otherwise}");
    let Lit::Str(name) = word.value()?.parse()? else {
        return Err(word.error(what));
    };
    let text = name.value();
    if text.is_empty() || text.contains('\0') {
        return Err(syn::Error::new(name.span(), "nobody has such a name"));
    }
    Ok(text)
}
