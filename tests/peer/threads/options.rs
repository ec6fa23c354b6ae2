//! The options of a server: `name` or `name=value` words.

use doors::{Access, Options, PoolLimits};

/// The words after the path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a>(pub(super) &'a [&'a str]);

impl<'a> Words<'a> {
    /// Whether the word is there.
    pub(super) fn has(self, name: &str) -> bool {
        self.0.contains(&name)
    }

    /// The value of a word.
    pub(super) fn value(self, name: &str) -> Option<&'a str> {
        let mut found = self.0.iter().filter_map(|word| word.split_once('='));
        found.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The value of a word, as a number.
    pub(super) fn number<T: std::str::FromStr>(self, name: &str) -> Option<T> {
        self.value(name)
            .map(|value| value.parse().ok().expect("a number"))
    }

    /// Floor and ceiling, if one is given.
    pub(super) fn limits(self) -> Option<PoolLimits> {
        let (floor, ceiling) = (self.number("floor"), self.number("ceiling"));
        (floor.is_some() || ceiling.is_some()).then(|| {
            let usual = PoolLimits::default();
            PoolLimits::new(
                floor.unwrap_or(usual.floor),
                ceiling.unwrap_or(usual.ceiling),
            )
        })
    }

    /// A policy: `uid:N`, `gid:N`, `even` or `unknown`, joined by commas; anyone without the word.
    pub(super) fn access(self, name: &str) -> Option<Access> {
        let mut access = Access::no_one();
        for rule in self.value(name)?.split(',') {
            access = match rule.split_once(':') {
                Some(("uid", uid)) => access.or_uid(uid.parse().unwrap()),
                Some(("gid", gid)) => access.or_group(gid.parse().unwrap()),
                None if rule == "even" => access.or_if(|caller| caller.uid() % 2 == 0),
                None if rule == "unknown" => access.allowing_unknown(),
                None if rule == "anyone" => Access::anyone(),
                _ => panic!("unknown rule {rule}"),
            };
        }
        Some(access)
    }

    /// What the words say about a door.
    pub(super) fn door(self) -> Options {
        let mut options = Options::default();
        if let Some(access) = self.access("access") {
            options.access = access;
        }
        if let Some(limits) = self.limits() {
            options.threads = limits;
        }
        options
    }
}
