//! `doors bench`: measurements beside other ways to call.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use doors_bench::{Plan, WORKS, Work, html, json, machine, table};

use crate::arguments::Bench;
use crate::failure::{Failure, Outcome};
use crate::output::print;

pub(crate) fn run(arguments: &Bench) -> Outcome {
    let plan = if arguments.quick {
        Plan::QUICK
    } else {
        Plan::FULL
    };
    let mut works: Vec<&'static Work> = arguments.works.clone();
    if works.is_empty() {
        works.extend(WORKS);
    }
    // Files that cannot be written are found before minutes have passed.
    let on_output = Path::new("-");
    let files = [&arguments.json, &arguments.html];
    for path in files
        .into_iter()
        .flatten()
        .filter(|path| *path != on_output)
    {
        write(path, "")?;
    }
    let tables = arguments.json.as_deref() != Some(on_output);
    let header = machine::line();
    if tables {
        print(format!("{header}\n{}\n", plan.says()))?;
    }
    let records = doors_bench::run(plan, &works, &[], |records| {
        if tables {
            print(table(records)).map_err(|failure| failure.text)?;
        }
        Ok(())
    });
    let records = records.map_err(|error| Failure::new(format!("cannot measure {error}")))?;
    if let Some(path) = &arguments.json {
        let text = format!("{:#}\n", json(&records));
        if tables {
            write(path, &text)?;
        } else {
            print(text)?;
        }
    }
    if let Some(path) = &arguments.html {
        write(path, &html::html(&header, &plan.says(), &records))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Outcome {
    fs::write(path, text).map_err(|error| Failure::file("write", path, &error))
}

/// A process of a measurement.
pub(crate) fn play(arguments: &[OsString]) -> Outcome {
    doors_bench::play(arguments, &[]).map_err(|error| Failure::new(error.to_string()))
}
