//! Undefined is an error wherever it appears, and the message names the path.

use super::check::{error_of, eval, json_of, scope, scope_with_user};

#[test]
fn a_missing_field_is_an_error_with_its_near_names() {
    let error = eval(
        "user.nam",
        &scope_with_user("{}", r#"{"name":"Ann","age":3}"#),
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "`user` has no `nam`");
    assert_eq!(error.help.as_deref(), Some("did you mean `name`?"));
    assert_eq!(&*error.expression, "user.nam");
}

#[test]
fn a_missing_root_names_what_there_is() {
    let error = eval("status", &scope(r#"{"id":1,"name":"Ann"}"#)).unwrap_err();
    assert_eq!(error.to_string(), "no field or step `status`");
    assert_eq!(
        error.help.as_deref(),
        Some("known here: id, name, user, geo")
    );
}

#[test]
fn a_path_through_null_or_text_says_what_it_met() {
    assert_eq!(
        error_of("a.b", r#"{"a":null}"#),
        "`a` is null, so it has no `b`"
    );
    assert_eq!(
        error_of("a.b.c", r#"{"a":{"b":"x"}}"#),
        "`a.b` is a text, so it has no `c`"
    );
    assert_eq!(
        error_of("a[2]", r#"{"a":[1]}"#),
        "`a` is a list of 1, so it has no [2]"
    );
}

#[test]
fn a_missing_path_inside_a_larger_expression_is_named_too() {
    for source in [
        "a.x ~ 'b'",
        "a.x + 1",
        "a.x == 3",
        "not a.x",
        "[a.x]",
        "{'k': a.x}",
        "1 if a.x else 2",
        "a.x | length",
    ] {
        assert_eq!(
            error_of(source, r#"{"a":{"y":1}}"#),
            "`a` has no `x`",
            "{source}"
        );
    }
}

#[test]
fn an_index_that_is_not_there_is_an_error() {
    assert!(error_of("a[i]", r#"{"a":[1],"i":5}"#).contains("`a[i]` is undefined"));
    assert_eq!(
        error_of("a | first", r#"{"a":[]}"#),
        "`first` was given an empty list"
    );
}

#[test]
fn a_missing_attribute_is_an_error_and_never_left_out_of_a_sum() {
    let record = r#"{"orders":[{"total":2},{"sum":3}]}"#;
    assert_eq!(
        error_of("orders | map(attribute='total') | sum", record),
        "item 1 of `map` has no `total`"
    );
    assert_eq!(
        json_of("orders | map(attribute='total', default=0) | sum", record),
        "2"
    );
}

#[test]
fn sum_refuses_text_and_null() {
    assert_eq!(
        error_of("a | sum", r#"{"a":[1,"2"]}"#),
        "item 1 of `sum` is a text, not a number"
    );
    assert_eq!(
        error_of("a | sum", r#"{"a":[null]}"#),
        "item 0 of `sum` is null, not a number"
    );
}

#[test]
fn int_and_float_refuse_null() {
    assert_eq!(
        error_of("a | int", r#"{"a":null}"#),
        "`int` cannot take null"
    );
    assert_eq!(
        error_of("a | float", r#"{"a":null}"#),
        "`float` cannot take null"
    );
}

#[test]
fn default_also_replaces_null() {
    assert_eq!(json_of("a | default('d')", r#"{"a":null}"#), r#""d""#);
    assert_eq!(json_of("a | default('d')", "{}"), r#""d""#);
    assert_eq!(json_of("a | default('d')", r#"{"a":""}"#), r#""""#);
    assert_eq!(json_of("a | default('d', true)", r#"{"a":""}"#), r#""d""#);
}

#[test]
fn a_default_does_not_hide_that_its_parent_is_missing() {
    assert_eq!(
        error_of("a.b.c | default(1)", r#"{"a":{}}"#),
        "`a` has no `b`"
    );
    assert_eq!(json_of("a.b | default(1)", r#"{"a":{}}"#), "1");
}

#[test]
fn a_text_compared_with_a_number_is_an_error() {
    assert_eq!(
        error_of("age > 18", r#"{"age":"5"}"#),
        "`age` is a text where a number must be: write (age | float)"
    );
    assert_eq!(
        error_of("-1 <= age", r#"{"age":null}"#),
        "`age` is null where a number must be: write (age | default(0))"
    );
    assert_eq!(json_of("(age | float) > 18", r#"{"age":"5"}"#), "false");
    assert_eq!(json_of("age > 18", r#"{"age":19}"#), "true");
    assert_eq!(json_of("a > 'b'", r#"{"a":"c"}"#), "true");
}

#[test]
fn a_text_is_not_multiplied() {
    assert!(error_of("age * 2", r#"{"age":"5"}"#).contains("`age` is a text"));
    assert!(error_of("2 * age", r#"{"age":"5"}"#).contains("`age` is a text"));
    assert_eq!(json_of("2 * age + 1", r#"{"age":5}"#), "11");
}

#[test]
fn a_text_does_not_decide_a_choice() {
    assert!(
        error_of("'yes' if active else 'no'", r#"{"active":"false"}"#)
            .contains("write active == 'true'")
    );
    assert_eq!(
        json_of("'yes' if active else 'no'", r#"{"active":false}"#),
        r#""no""#
    );
    assert_eq!(
        json_of("'yes' if not active else 'no'", r#"{"active":null}"#),
        r#""yes""#
    );
}

#[test]
fn operands_of_and_or_not_are_no_texts_and_no_numbers() {
    let record = r#"{"go":"false","n":0,"m":{"a":"x"},"yes":true,"no":null,"l":[1]}"#;
    for (source, at_fault) in [
        ("go and true", "`go` is a text"),
        ("true and go", "`go` is a text"),
        ("no or go", "`go` is a text"),
        ("not go", "`go` is a text"),
        ("(go) and yes", "`(go)` is a text"),
        ("(go or yes) and yes", "`go` is a text"),
        ("m.a and yes", "`m.a` is a text"),
        ("go | lower and yes", "`go | lower` is a text"),
        ("go ~ 'x' or yes", "`go ~ 'x'` is a text"),
        ("1 if go | lower else 2", "`go | lower` is a text"),
        ("1 if yes and go else 2", "`go` is a text"),
        ("[not go]", "`go` is a text"),
        ("l | length and yes", "`l | length` is a number"),
        ("n + 1 or yes", "`n + 1` is a number"),
    ] {
        let message = error_of(source, record);
        assert!(message.starts_with(at_fault), "{source}: {message}");
    }
    assert_eq!(
        error_of("go and true", record),
        "`go` is a text, which is neither true nor false: write go == 'true'"
    );
    for (source, value) in [
        ("yes and not no", "true"),
        ("not l or no", "null"),
        // An answer, or none: `not first or first.status == 'ZERO_RESULTS'`.
        ("not m or m.a == 'x'", "true"),
        ("not no or no.a == 'x'", "true"),
        ("yes and l", "[1]"),
        ("go == 'false' and n < 1 or no", "true"),
        ("not go in ['a']", "true"),
        ("go not in ['a'] and go is not none", "true"),
        ("go is string and not (n > 0 or no)", "true"),
        ("'a' if yes and n * 2 == 0 else 'b'", r#""a""#),
        ("no and missing", "null"),
    ] {
        assert_eq!(json_of(source, record), value, "{source}");
    }
}

#[test]
fn a_missing_operand_is_named() {
    assert_eq!(
        error_of("yes and no", r#"{"yes":true}"#),
        "no field or step `no`"
    );
}

#[test]
fn joining_prints_values_as_text_does() {
    assert_eq!(
        json_of("'n' ~ a ~ b", r#"{"a":2.0,"b":true}"#),
        r#""n2true""#
    );
    assert_eq!(
        error_of("'n' ~ a", r#"{"a":null}"#),
        "`a` is null, which is no text"
    );
    assert_eq!(json_of("a * 2 ~ 'x'", r#"{"a":2}"#), r#""4x""#);
}

#[test]
fn mixed_lists_have_no_greatest_item() {
    assert_eq!(
        error_of("a | max", r#"{"a":[3,"10",2]}"#),
        "`max` cannot order a text at item 1"
    );
    assert_eq!(json_of("a | max", r#"{"a":[3,10,2]}"#), "10");
}

#[test]
fn a_range_is_limited() {
    assert_eq!(json_of("range(3)", "{}"), "[0,1,2]");
    assert_eq!(json_of("range(10000) | length", "{}"), "10000");
    assert_eq!(
        error_of("range(10001)", "{}"),
        "`range` is limited to 10000 items"
    );
    assert_eq!(
        error_of("range(0, 9223372036854775807, 2)", "{}"),
        "`range` is limited to 10000 items"
    );
    assert_eq!(json_of("range(3, 0, -2)", "{}"), "[3,1]");
}
