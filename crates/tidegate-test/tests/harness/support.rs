//! What the tests share.

/// The number of the first line of `source` that starts with `code`.
pub(crate) fn line_of(source: &str, code: &str) -> u32 {
    let at = source
        .lines()
        .position(|line| line.trim_start().starts_with(code));
    let at = at.unwrap_or_else(|| panic!("no line starts with `{code}`"));
    u32::try_from(at + 1).expect("a source file has fewer lines")
}
