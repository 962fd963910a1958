//! `when`, `where` and `classify`.

use super::check::{scope, value};
use tidegate_runner::expr::Expr;

fn decide(source: &str, record: &str) -> Result<bool, String> {
    let expr = Expr::compile(source).unwrap();
    expr.eval_condition(&scope(record))
        .map_err(|error| format!("{error}; {}", error.help.as_deref().unwrap_or_default()))
}

#[test]
fn a_condition_is_a_boolean_null_or_a_list() {
    assert_eq!(decide("a", r#"{"a":true}"#), Ok(true));
    assert_eq!(decide("a", r#"{"a":null}"#), Ok(false));
    assert_eq!(decide("a", r#"{"a":[]}"#), Ok(false));
    assert_eq!(decide("a", r#"{"a":[0]}"#), Ok(true));
}

#[test]
fn a_text_or_a_number_is_no_condition() {
    assert_eq!(
        decide("a", r#"{"a":"false"}"#),
        Err("`a` is a text, which is neither true nor false; compare it: a == 'true'".into())
    );
    assert_eq!(
        decide("a", r#"{"a":0}"#),
        Err("`a` is a number, which is neither true nor false; compare it: a > 0".into())
    );
    assert!(decide("a", r#"{"a":{}}"#).is_err());
    assert!(decide("b", r#"{"a":{}}"#).is_err());
}

#[test]
fn a_missing_name_makes_a_line_of_classify_false() {
    let body = r#"{"errors":[{"code":"RATE"}]}"#;
    let answer = |source: &str| {
        let headers = value(r#"{"x-left":"0"}"#);
        Expr::compile_answer(source)
            .unwrap()
            .eval_answer(200, headers, value(body))
    };
    assert!(answer("body.errors[0].code == 'RATE'"));
    assert!(answer("status == 200 and headers['x-left'] == '0'"));
    assert!(answer("body.errors"));
    assert!(!answer("body.error.code == 'RATE'"));
    assert!(!answer("nothing"));
    assert!(!answer("body.errors[3].code == 'RATE'"));
    assert!(!answer("not body.missing"));
}

#[test]
fn in_classify_any_value_may_decide() {
    let answer = |source: &str| {
        Expr::compile_answer(source).unwrap().eval_answer(
            400,
            value("{}"),
            value(r#"{"error":"quota","left":0}"#),
        )
    };
    assert!(answer("body.error and status == 400"));
    assert!(answer("not body.left"));
    assert!(!answer("not body.error"));
    assert!(answer("status == 200 or body.error"));
}
