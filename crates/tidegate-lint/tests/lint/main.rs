//! The check on sources that must fail and that must pass, and on our own.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod fails;
mod passes;
mod workspace;

use tidegate_lint::{Source, undocumented_futures};

/// What is found in one file, as `line item`.
fn found(text: &str) -> Vec<String> {
    let source = Source::parse("lib.rs", text).unwrap();
    undocumented_futures(&[source])
        .iter()
        .map(|fault| format!("{} {}", fault.line, fault.item))
        .collect()
}
