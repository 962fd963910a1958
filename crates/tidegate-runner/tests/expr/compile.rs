//! Faults that are found before anything runs, and what is known about an expression.

use super::check::fault_of;
use proptest::prelude::*;
use tidegate_runner::expr::{Expr, Position, Target, Text};

#[test]
fn env_is_read_by_a_literal_name_only() {
    for source in [
        "env",
        "env['TOKEN']",
        "env[name]",
        "env | length",
        "x in env",
    ] {
        assert_eq!(
            fault_of(source).message,
            "`env` can only be read by a literal name",
            "{source}"
        );
    }
}

#[test]
fn steps_are_read_by_a_literal_name_only() {
    for source in ["steps", "steps[name]", "steps | length"] {
        assert_eq!(
            fault_of(source).message,
            "`steps` can only be read by a literal name",
            "{source}"
        );
    }
}

#[test]
fn a_text_or_number_that_is_asked_for_true_or_false_is_a_fault() {
    let fault = fault_of("name or 'unknown'");
    assert_eq!(
        (fault.message.as_str(), fault.at),
        (
            "`'unknown'` is a text, which is neither true nor false",
            8..17
        )
    );
    assert_eq!(
        fault.help.as_deref(),
        Some("in place of a value that is missing or null write  … | default('unknown')")
    );
    assert_eq!(
        fault_of("a and 1").message,
        "`1` is a number, which is neither true nor false"
    );
}

#[test]
fn there_is_no_debug_and_no_other_function() {
    let fault = fault_of("1 + debug()");
    assert_eq!(
        (fault.message.as_str(), fault.at),
        ("no function `debug`", 4..9)
    );
    assert_eq!(fault_of("dict(a=1)").message, "no function `dict`");
    assert_eq!(
        fault_of("user.items()").message,
        "values have no methods, so there is no `items()`"
    );
}

#[test]
fn an_unknown_filter_is_a_fault_with_its_near_names() {
    let fault = fault_of("a | lenght");
    assert_eq!(
        (fault.message.as_str(), fault.at),
        ("no filter `lenght`", 4..10)
    );
    assert_eq!(fault.help.as_deref(), Some("did you mean `length`?"));
    assert_eq!(fault_of("a is strange").message, "no test `strange`");
}

#[test]
fn every_listed_filter_and_test_exists() {
    // An unlisted filter is a fault above; a listed one that was never added would fail at run time only.
    let help = fault_of("a | zzzzzzzzzz").help.unwrap();
    let names: Vec<&str> = help.trim_start_matches("filters: ").split(", ").collect();
    assert!(names.len() > 30);
    for name in names
        .into_iter()
        .filter(|name| !matches!(*name, "url" | "d" | "default"))
    {
        let error =
            super::check::error_of(&format!("a.missing | {name} | {name}"), r#"{"a":null}"#);
        assert!(!error.contains("unknown"), "{name}: {error}");
    }
}

#[test]
fn an_if_needs_an_else() {
    let fault = fault_of("1 if a");
    assert_eq!(
        (fault.message.as_str(), fault.at),
        ("this `if` has no `else`", 2..4)
    );
    assert!(Expr::compile("1 if a else 2 if b else 3").is_ok());
}

#[test]
fn broken_syntax_is_a_fault() {
    for source in ["", "  ", "a +", "(a", "a b", "'open", "a ? b", "größe"] {
        assert!(Expr::compile(source).is_err(), "{source}");
    }
    assert_eq!(
        fault_of("größe").help.as_deref(),
        Some("a field whose name is not plain ASCII is written record['NAME']")
    );
}

#[test]
fn statements_and_comments_are_no_text() {
    for source in [
        "a {% if x %}",
        "{# note #}",
        "{{- a }}",
        "{{ a",
        "{{ include 'x' }}",
    ] {
        assert!(Text::compile(source, Position::Plain).is_err(), "{source}");
    }
}

#[test]
fn a_fault_in_a_text_points_into_the_text() {
    let fault = Text::compile("id={{ a }}&x={{  b | nope }}", Position::Plain).unwrap_err();
    assert_eq!(fault.at, 21..25);
}

#[test]
fn mentions_tell_names_steps_env_and_fields_apart() {
    let source = "user.name ~ steps.geo.status ~ env.A ~ (env.B | default('x')) ~ vars.v ~ record.f ~ record['g-h'] \
                  ~ (orders | map(attribute='total') | sum) ~ (x if y is not none and z in [1] else item.k)";
    let expr = Expr::compile(source).unwrap();
    let mentions = expr.mentions();
    let list = |set: &std::collections::BTreeSet<String>| {
        set.iter().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list(&mentions.names), "orders user x y z");
    assert_eq!(list(&mentions.steps), "geo");
    assert_eq!(list(&mentions.env), "A");
    assert_eq!(list(&mentions.env_optional), "B");
    assert_eq!(list(&mentions.vars), "v");
    assert_eq!(list(&mentions.record_fields), "f g-h");
    assert_eq!(list(&mentions.reserved), "env item record steps vars");
}

#[test]
fn operators_that_mistake_text_are_found_for_columns_that_are_text() {
    let is_text = |field: &str| field == "age";
    let fault = |source: &str| {
        Expr::compile(source)
            .unwrap()
            .compares_text_with_number(&is_text)
    };
    for source in [
        "age > 18",
        "18 < age",
        "id == 1 and age <= -3",
        "record.age >= 1.5",
        "not age == 7",
        "age * 2",
        "'yes' if age else 'no'",
    ] {
        assert!(fault(source).is_some(), "{source}");
    }
    for source in [
        "age == '18'",
        "(age | int) > 18",
        "age | int > 18",
        "other > 18",
        "age.x > 18",
        "user.age > 1",
        "age > other",
    ] {
        assert_eq!(fault(source), None, "{source}");
    }
    assert_eq!(fault("id == 1 and age > 18").unwrap().at, 12..15);
}

#[test]
fn a_text_is_fixed_when_no_record_has_a_part_in_it() {
    let fixed = |source: &str| Expr::compile(source).unwrap().mentions().is_fixed();
    assert!(fixed("1") && fixed("env.A ~ vars.b ~ run.id"));
    assert!(!fixed("id") && !fixed("record | tojson") && !fixed("item") && !fixed("request.host"));
}

/// Sources that are nearly expressions, which random text never is.
fn any_source() -> impl Strategy<Value = String> {
    let words = [
        "a",
        "user",
        "env",
        "env.A",
        "steps",
        "steps.geo",
        "record",
        "item",
        "in",
        "if",
        "else",
        "not",
        "is",
        "and",
        "or",
        "none",
        "null",
        "true",
        "1",
        "2.5",
        "1e400",
        "'t'",
        "\"é\"",
        "|",
        "default",
        "map",
        "sum",
        "tojson",
        "url",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "{{",
        "}}",
        "{%",
        ".",
        ",",
        ":",
        "=",
        "==",
        "<",
        "*",
        "**",
        "~",
        "-",
        "range",
        "odd",
        "é",
        "/",
        "?",
        "#",
        "'",
        "\\",
        " ",
        "\n",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..12)
        .prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_source_makes_the_compiler_panic(source in prop_oneof![any_source(), any::<String>()]) {
        let scope = super::check::scope(r#"{"a":[1,"x",null]}"#);
        if let Ok(expr) = Expr::compile(&source) {
            let _value = expr.eval(&scope);
            let _fault = expr.compares_text_with_number(&|_| true);
        }
        if let Ok(text) = Text::compile(&source, Position::Header) {
            let _text = text.render(&scope);
        }
        for source in [format!("/x/{{{{ {source} }}}}?y={source}"), source] {
            match Target::compile(&source) {
                Ok(target) => drop(target.render(&scope)),
                Err(fault) => prop_assert!(source.get(fault.at.clone()).is_some(), "{:?} in {:?}", fault, source),
            }
        }
    }

    #[test]
    fn what_has_a_value_has_nothing_undefined_in_it(source in any_source()) {
        if let Ok(value) = Expr::compile(&source).map(|expr| expr.eval(&super::check::scope(r#"{"a":[1,{"b":2}]}"#)))
            && let Ok(value) = value
        {
            let mut out = Vec::new();
            let written = tidegate_runner::expr::json::to_json(&value, &mut out);
            prop_assert!(!written.is_err_and(|error| error.message.contains("undefined")), "{}", source);
        }
    }
}
