//! What the documentation of an item says.

use std::{fs, path::Path};
use syn::{Attribute, Expr, Lit, LitStr, Meta};

/// Whether there is a section with this heading, and something in it. `file`: where the attributes stand, for
/// `include_str!`.
pub(crate) fn has_section(attributes: &[Attribute], heading: &str, file: &Path) -> bool {
    let text = text(attributes, file);
    let mut in_code = false;
    let mut in_section = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        // In code a line that begins with `# ` is one that rustdoc hides.
        if !in_code && line.starts_with('#') {
            in_section = line == heading;
        } else if in_section && !line.is_empty() {
            return true;
        }
    }
    false
}

pub(crate) fn is_hidden(attributes: &[Attribute]) -> bool {
    mentions(attributes, "doc", "hidden")
}

pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    mentions(attributes, "cfg", "test")
}

fn mentions(attributes: &[Attribute], name: &str, word: &str) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident(name) && list.tokens.to_string() == word,
        Meta::Path(_) | Meta::NameValue(_) => false,
    })
}

fn text(attributes: &[Attribute], file: &Path) -> String {
    let mut text = String::new();
    for attribute in attributes {
        let Meta::NameValue(meta) = &attribute.meta else {
            continue;
        };
        if meta.path.is_ident("doc") {
            text.extend(said(&meta.value, file));
            text.push('\n');
        }
    }
    text
}

fn said(value: &Expr, file: &Path) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        Expr::Macro(call) if call.mac.path.is_ident("include_str") => {
            let included: LitStr = syn::parse2(call.mac.tokens.clone()).ok()?;
            fs::read_to_string(file.parent()?.join(included.value())).ok()
        }
        _ => None,
    }
}
