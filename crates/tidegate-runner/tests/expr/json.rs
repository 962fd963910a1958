//! JSON in and out without losing digits.

use super::check::{shown, value};
use minijinja::Value;
use proptest::prelude::*;
use tidegate_runner::expr::json::{key_json, parse, to_json};

#[test]
fn integers_are_exact_and_beyond_64_bits_kept_as_text() {
    let text = r#"{"a":9223372036854775807,"b":18446744073709551615,"c":18446744073709551616,"d":-9223372036854775809}"#;
    let expected = r#"{"a":9223372036854775807,"b":18446744073709551615,"c":"18446744073709551616","d":"-9223372036854775809"}"#;
    assert_eq!(shown(&value(text)), expected);
}

#[test]
fn digits_in_text_and_fractions_are_left_alone() {
    let text = r#"["\"99999999999999999999","99999999999999999999",0.1234567890123456,1e3]"#;
    assert_eq!(
        shown(&value(text)),
        r#"["\"99999999999999999999","99999999999999999999",0.1234567890123456,1000.0]"#
    );
}

#[test]
fn the_error_says_what_is_wrong_and_leaves_the_rest_to_the_caller() {
    let error = parse(b"nope").unwrap_err();
    assert_eq!(error.to_string(), "expected ident at line 1 column 2");
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        "{",
        "NaN",
        "1e400",
        "\"\\ud800\"",
        "01",
        "[1,]",
        "1 2",
        "100000000000000000000x",
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(parse(b"\"\xff\"").is_err());
    assert!(parse("[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn a_byte_order_mark_is_dropped() {
    assert_eq!(shown(&parse(b"\xEF\xBB\xBF[1]").unwrap()), "[1]");
}

#[test]
fn what_json_cannot_carry_is_an_error() {
    for value in [
        Value::UNDEFINED,
        Value::from(f64::NAN),
        Value::from(f64::INFINITY),
        Value::from(vec![Value::UNDEFINED]),
    ] {
        assert!(to_json(&value, &mut Vec::new()).is_err(), "{value:?}");
    }
}

#[test]
fn keys_are_texts_integers_booleans_and_lists_of_those() {
    assert_eq!(key_json(&value(r#""a\"b""#)).unwrap(), r#""a\"b""#);
    assert_eq!(
        key_json(&value("[1,true,\"x\"]")).unwrap(),
        r#"[1,true,"x"]"#
    );
    for refused in ["null", "1.5", "{}", "[[1]]", "[null]"] {
        assert!(key_json(&value(refused)).is_err(), "{refused}");
    }
    assert!(key_json(&Value::from("k".repeat(1022))).is_ok());
    assert!(key_json(&Value::from("k".repeat(1023))).is_err());
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (any::<i32>(), 0..9_i32).prop_map(|(n, e)| (f64::from(n) / 10_f64.powi(e)).into()),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_survives_the_way_in_and_out(json in any_json()) {
        let back = shown(&value(&json.to_string()));
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&back).unwrap(), json);
    }

    #[test]
    fn floats_are_the_nearest_to_what_was_written(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let read = f64::try_from(value(&format!("{number:e}"))).unwrap();
        prop_assert_eq!(read.to_bits(), number.to_bits());
    }

    #[test]
    fn long_integers_keep_every_digit(digits in "-?[1-9][0-9]{18,60}", before in "[ \\[]{0,40}") {
        let depth = before.matches('[').count();
        let text = format!("{before}{digits}{}", "]".repeat(depth));
        prop_assert_eq!(shown(&value(&text)).replace(['[', ']', '"'], ""), digits);
    }
}
