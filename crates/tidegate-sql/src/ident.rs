/// A name as it stands in SQL: in double quotes, quotes inside doubled. Any name is safe.
///
/// ```
/// assert_eq!(tidegate_sql::quote_ident(r#"a"; DROP TABLE b"#), r#""a""; DROP TABLE b""#);
/// ```
#[must_use]
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quoted names with commas between.
pub(crate) fn quote_all(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| quote_ident(name)).collect();
    quoted.join(", ")
}

/// Whether SQLite takes both for one column: ASCII case does not count.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

pub(crate) fn position(names: &[String], name: &str) -> Option<usize> {
    names.iter().position(|candidate| is_same(candidate, name))
}

/// The first name that stands there twice.
pub(crate) fn twice(names: &[String]) -> Option<&String> {
    names
        .iter()
        .enumerate()
        .find(|(at, name)| position(&names[..*at], name).is_some())
        .map(|(_, name)| name)
}
