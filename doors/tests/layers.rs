//! The modules name each other only as the map in ARCHITECTURE.md allows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::{Path, PathBuf};

/// A module of the map: its line from the top, its group, its name.
type Place = (usize, usize, String);

fn map() -> Vec<Place> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("../ARCHITECTURE.md")).unwrap();
    let lines = text.lines().skip_while(|line| *line != "```layers").skip(1);
    let mut places = Vec::new();
    for (line, layer) in lines.take_while(|line| *line != "```").enumerate() {
        let (_name, modules) = layer.split_once(' ').unwrap();
        for (group, modules) in modules.split('|').enumerate() {
            places.extend(
                modules
                    .split_whitespace()
                    .map(|m| (line, group, m.to_owned())),
            );
        }
    }
    places
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// What a file names by `crate::`, outside comments; upper case is what the front page offers.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let after = code.flat_map(|line| line.split("crate::").skip(1));
    let name = after.map(|rest| {
        rest.split(|c: char| c != '_' && !c.is_alphanumeric())
            .next()
    });
    name.flatten()
        .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
}

#[test]
fn no_module_names_one_above_it() {
    let places = map();
    let place = |name: &str| places.iter().find(|(_, _, module)| module == name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&source).unwrap();
        // The front page names everything; what compares the protocol with the code looks from above.
        if inside == Path::new("lib.rs") || inside == Path::new("wire/golden.rs") {
            continue;
        }
        let first = inside.iter().next().unwrap().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        let Some((line, group, _)) = place(module) else {
            panic!("{module} is not in the map of ARCHITECTURE.md");
        };
        let text = std::fs::read_to_string(&file).unwrap();
        for other in named(&text) {
            let allowed =
                place(other).is_some_and(|(l, g, _)| l > line || (l == line && g == group));
            if !allowed {
                wrong.push(format!("{} names {other}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
