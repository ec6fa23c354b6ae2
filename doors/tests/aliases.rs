//! The names of the C interface are found on the items that the front page lists them for.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::BTreeSet;
use std::path::Path;

/// A name in C, and the type and name of an item; the type is empty for what is in none.
type Pair = (String, String, String);

const TABLE: &str = include_str!("../src/c_names.md");

/// The words between these marks.
fn marked<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    text.split(open)
        .skip(1)
        .filter_map(move |rest| rest.split(close).next())
}

/// What the table says.
fn listed() -> BTreeSet<Pair> {
    let mut pairs = BTreeSet::new();
    for row in TABLE.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.trim_matches('|').split('|');
        let (names, items) = (cells.next().unwrap(), cells.next().unwrap());
        let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
        for item in marked(items, "[`", '`') {
            let (of, item) = item.split_once("::").unwrap_or(("", item));
            for name in &names {
                pairs.insert(((*name).to_owned(), of.to_owned(), item.to_owned()));
            }
        }
    }
    pairs
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| c != '_' && !c.is_alphanumeric());
    text.split_at(end.unwrap_or(text.len())).0
}

/// The name of the item that a line begins.
fn item(line: &str) -> &str {
    let mut rest = line.trim_start();
    for word in ["pub ", "const ", "fn ", "struct ", "enum ", "type "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    identifier(rest)
}

/// The type whose block a line without indentation opens, if it does.
fn block(line: &str) -> Option<&str> {
    let kinds = ["pub struct ", "pub enum ", "    pub struct "];
    let named = kinds.iter().find_map(|kind| line.strip_prefix(kind));
    let of = named.or_else(|| {
        let rest = line.strip_prefix("impl")?;
        // The parameters of a generic block go before the type.
        let rest = match rest.strip_prefix('<') {
            Some(rest) => rest.split_once("> ")?.1,
            None => rest.trim_start(),
        };
        (!rest.contains(" for ")).then_some(rest)
    });
    of.map(identifier)
}

/// What the attributes of a source say.
fn written(source: &str, pairs: &mut BTreeSet<Pair>) {
    let (mut of, mut names): (&str, Vec<&str>) = ("", Vec::new());
    // Whether this is the rest of an attribute, and whether of one with names.
    let (mut attribute, mut aliases) = (false, false);
    for line in source.lines() {
        let text = line.trim_start();
        if text.starts_with("#[") {
            (attribute, aliases) = (true, text.starts_with("#[doc(alias"));
        }
        if attribute {
            if aliases {
                names.extend(text.split('"').skip(1).step_by(2));
            }
            attribute = !text.ends_with(']');
            continue;
        }
        if text.is_empty() || text.starts_with("//") {
            continue;
        }
        let inside = line.starts_with(' ') && block(line).is_none();
        for name in names.drain(..) {
            let of = if inside { of } else { "" };
            pairs.insert((name.to_owned(), of.to_owned(), item(line).to_owned()));
        }
        of = block(line).unwrap_or(of);
    }
}

fn sources(folder: &Path, pairs: &mut BTreeSet<Pair>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, pairs);
        } else if path.extension().is_some_and(|e| e == "rs") {
            written(&std::fs::read_to_string(&path).unwrap(), pairs);
        }
    }
}

#[test]
fn every_name_of_the_table_is_an_alias_and_every_alias_is_in_the_table() {
    let listed = listed();
    assert!(listed.len() > 100, "{listed:#?}");
    let mut found = BTreeSet::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    // systemd's, not Solaris'.
    found.retain(|(name, ..)| name != "sd_listen_fds" && name != "LISTEN_FDS");
    let missing: Vec<_> = listed.difference(&found).collect();
    let unlisted: Vec<_> = found.difference(&listed).collect();
    assert!(missing.is_empty(), "no such alias: {missing:#?}");
    assert!(unlisted.is_empty(), "not in the table: {unlisted:#?}");
}
