/// One cell of a CSV row to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing: an empty cell.
    Null,
    /// Text, written as it is. A spreadsheet takes text that begins with `=` for a formula.
    Text(&'a str),
}

/// Appends one CSV row with its line end (`\n`).
///
/// A cell is quoted, as RFC 4180 has it, only if it holds a comma, a quote, or a line end. A null and an empty
/// text look the same; a row of one empty cell is written `""`, as it would else be a blank line.
///
/// # Examples
///
/// ```
/// use tidegate_file::{Cell, csv_cells};
///
/// let mut out = Vec::new();
/// csv_cells(&mut out, [Cell::Text("7"), Cell::Null, Cell::Text("a \"b\", c")]);
/// assert_eq!(out, b"7,,\"a \"\"b\"\", c\"\n");
/// ```
pub fn csv_cells<'a>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = Cell<'a>>) {
    let start = out.len();
    let mut count = 0_usize;
    for cell in cells {
        if count > 0 {
            out.push(b',');
        }
        count += 1;
        if let Cell::Text(text) = cell {
            push_text(out, text.as_bytes());
        }
    }
    if count == 1 && out.len() == start {
        out.extend_from_slice(b"\"\"");
    }
    out.push(b'\n');
}

/// Appends the header line of a CSV file: the names of its columns.
pub fn csv_header<'a>(out: &mut Vec<u8>, names: impl IntoIterator<Item = &'a str>) {
    csv_cells(out, names.into_iter().map(Cell::Text));
}

fn push_text(out: &mut Vec<u8>, mut text: &[u8]) {
    if !text
        .iter()
        .any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'))
    {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    while let Some(quote) = memchr::memchr(b'"', text) {
        out.extend_from_slice(&text[..=quote]);
        out.push(b'"');
        text = &text[quote + 1..];
    }
    out.extend_from_slice(text);
    out.push(b'"');
}
