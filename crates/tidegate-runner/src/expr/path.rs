use super::{
    error::{Cause, near},
    globals::RESERVED,
    scope::{Names, keys},
};
use minijinja::value::{Value, ValueKind};
use std::fmt;

/// A name and what is taken from it: `user`, `user.name`, `orders[0].total`, `record['user-id']`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    pub(super) root: String,
    pub(super) segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

impl Path {
    /// The value; without one, how many segments could be followed: 0 if not even the root is there.
    pub(super) fn resolve(&self, names: &dyn Names) -> Result<Value, usize> {
        let mut value = names
            .lookup(&self.root)
            .filter(|value| !value.is_undefined())
            .ok_or(0_usize)?;
        for (index, segment) in self.segments.iter().enumerate() {
            value = segment.of(&value).ok_or(index + 1)?;
        }
        Ok(value)
    }

    /// Says what is missing, given the result of [`resolve`](Self::resolve).
    pub(super) fn explain(&self, names: &dyn Names, followed: usize) -> Cause {
        let Some(last) = followed.checked_sub(1) else {
            return self.explain_root(names);
        };
        let parent = Self {
            root: self.root.clone(),
            segments: self.segments[..last].to_vec(),
        };
        let value = parent.resolve(names).unwrap_or_default();
        match &self.segments[last] {
            Segment::Key(_) if parent.root == "env" => Cause::new(format!(
                "the environment variable {} is not set",
                self.segments[last]
            )),
            Segment::Key(key) if value.kind() == ValueKind::Map => {
                let known = match parent.root.as_str() {
                    "steps" if last == 0 => Vec::new(),
                    _ => keys(&value),
                };
                with_choice(
                    Cause::new(format!("`{parent}` has no `{key}`")),
                    key,
                    &known,
                )
            }
            Segment::Key(key) => Cause::new(format!(
                "`{parent}` is {}, so it has no `{key}`",
                describe(&value)
            )),
            Segment::Index(index) => match value.kind() {
                ValueKind::Seq => {
                    let length = value.len().unwrap_or(0);
                    Cause::new(format!(
                        "`{parent}` is a list of {length}, so it has no [{index}]"
                    ))
                }
                _ => Cause::new(format!(
                    "`{parent}` is {}, so it has no [{index}]",
                    describe(&value)
                )),
            },
        }
    }

    fn explain_root(&self, names: &dyn Names) -> Cause {
        let root = &self.root;
        if RESERVED.contains(&root.as_str()) {
            return Cause::new(format!("`{root}` is not within reach here"))
                .help(format!("a field of that name is record.{root}"));
        }
        with_choice(
            Cause::new(format!("no field or step `{root}`")),
            root,
            &names.known(),
        )
    }
}

impl Segment {
    fn of(&self, value: &Value) -> Option<Value> {
        let found = match self {
            Self::Key(key) => value.get_attr(key),
            Self::Index(index) => value.get_item_by_index(*index),
        };
        found.ok().filter(|found| !found.is_undefined())
    }
}

/// Adds the names that were meant, or else the ones that there are.
fn with_choice(cause: Cause, wrong: &str, known: &[String]) -> Cause {
    let close = near(wrong, known.iter().map(String::as_str));
    if !close.is_empty() {
        return cause.help(format!("did you mean `{}`?", close.join("`, `")));
    }
    if known.is_empty() {
        return cause;
    }
    const SHOWN: usize = 12;
    let more = if known.len() > SHOWN { ", …" } else { "" };
    let shown: Vec<&str> = known.iter().take(SHOWN).map(String::as_str).collect();
    cause.help(format!("known here: {}{more}", shown.join(", ")))
}

pub(super) fn describe(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::None => "null",
        ValueKind::Bool => "a boolean",
        ValueKind::Number => "a number",
        ValueKind::String => "a text",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a map",
        _ => "undefined",
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        for segment in &self.segments {
            match segment {
                Segment::Key(key) if is_plain(key) => write!(f, ".{key}")?,
                _ => write!(f, "[{segment}]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) if is_plain(key) => f.write_str(key),
            Self::Key(key) => write!(f, "'{key}'"),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
