//! What `LISTEN_FDS` and its companions say.

use std::ffi::{OsString, c_int};

use super::InheritError;

/// The first number of the passed descriptors: `SD_LISTEN_FDS_START` of `sd_listen_fds(3)`.
const FIRST: c_int = 3;

/// The numbers with their names that the three variables announce to the process `me`.
pub(super) fn announcement(
    pid: Option<OsString>,
    count: Option<OsString>,
    names: Option<OsString>,
    me: u32,
) -> Result<Vec<(c_int, Option<String>)>, InheritError> {
    let (Some(pid), Some(count)) = (pid, count) else {
        return Ok(Vec::new());
    };
    let Some(pid) = pid.to_str().and_then(|text| text.parse::<u32>().ok()) else {
        return Err(InheritError::Variable {
            variable: "LISTEN_PID",
        });
    };
    if pid != me {
        // Meant for an ancestor, whose environment we have.
        return Ok(Vec::new());
    }
    let bad_count = InheritError::Variable {
        variable: "LISTEN_FDS",
    };
    let Some(count) = count.to_str().and_then(|text| text.parse::<u16>().ok()) else {
        return Err(bad_count);
    };
    let Some(end) = FIRST.checked_add(c_int::from(count)) else {
        return Err(bad_count);
    };
    let Some(names) = names else {
        return Ok((FIRST..end).map(|number| (number, None)).collect());
    };
    let bad_names = InheritError::Variable {
        variable: "LISTEN_FDNAMES",
    };
    let Some(names) = names.to_str() else {
        return Err(bad_names);
    };
    let names: Vec<&str> = if count == 0 {
        Vec::new()
    } else {
        names.split(':').collect()
    };
    if names.len() != usize::from(count) {
        return Err(bad_names);
    }
    let unless_empty = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    Ok((FIRST..end)
        .zip(names)
        .map(|(number, name)| (number, unless_empty(name)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        pid: Option<&str>,
        count: Option<&str>,
        names: Option<&str>,
    ) -> Result<Vec<(c_int, Option<String>)>, &'static str> {
        announcement(
            pid.map(Into::into),
            count.map(Into::into),
            names.map(Into::into),
            77,
        )
        .map_err(|error| match error {
            InheritError::Variable { variable } => variable,
            _ => "another error",
        })
    }

    #[test]
    fn nothing_is_announced_to_another_process() {
        assert_eq!(read(None, Some("1"), None), Ok(vec![]));
        assert_eq!(read(Some("77"), None, None), Ok(vec![]));
        assert_eq!(read(Some("78"), Some("rubbish"), None), Ok(vec![]));
        assert_eq!(read(Some("77"), Some("0"), Some("")), Ok(vec![]));
    }

    #[test]
    fn names_go_with_their_numbers() {
        assert_eq!(
            read(Some("77"), Some("2"), None),
            Ok(vec![(3, None), (4, None)])
        );
        assert_eq!(
            read(Some("77"), Some("3"), Some("a::b c")),
            Ok(vec![
                (3, Some("a".into())),
                (4, None),
                (5, Some("b c".into()))
            ])
        );
    }

    #[test]
    fn nonsense_is_named() {
        assert_eq!(read(Some(""), Some("1"), None), Err("LISTEN_PID"));
        assert_eq!(read(Some("77"), Some("-1"), None), Err("LISTEN_FDS"));
        assert_eq!(
            read(Some("77"), Some("4294967295"), None),
            Err("LISTEN_FDS")
        );
        assert_eq!(
            read(Some("77"), Some("2"), Some("one")),
            Err("LISTEN_FDNAMES")
        );
    }
}
