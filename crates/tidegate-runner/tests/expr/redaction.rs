//! No message shows a value of `env`.

use super::check::{eval, globals, scope};
use tidegate_runner::expr::{Position, Text};

#[test]
fn values_of_env_are_hidden_in_every_form() {
    let globals = globals();
    assert_eq!(globals.redact("Bearer s3cr3t/t0ken+x!"), "Bearer •••!");
    assert_eq!(globals.redact("?t=s3cr3t%2Ft0ken%2Bx&u=1"), "?t=•••&u=1");
}

#[test]
fn short_values_are_left_for_they_are_words() {
    assert_eq!(globals().redact("europe"), "europe");
}

#[test]
fn a_secret_in_an_error_is_hidden() {
    let error = eval("env.TOKEN | int", &scope("{}")).unwrap_err();
    assert_eq!(error.to_string(), "`int` cannot read \"•••\" as a number");
}

#[test]
fn debug_output_shows_names_only() {
    let text = Text::compile("Bearer {{ env.TOKEN }}", Position::Header).unwrap();
    let shown = format!("{:?} {:?} {text:?}", globals(), scope("{}"));
    assert!(
        shown.contains("TOKEN") && !shown.contains("s3cr3t"),
        "{shown}"
    );
}
