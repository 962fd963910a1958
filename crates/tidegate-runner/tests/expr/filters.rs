//! Filters that differ from what the interpreter would ship.

use super::check::{error_of, json_of};

#[test]
fn tojson_escapes_nothing_for_html() {
    assert_eq!(
        json_of("a | tojson", r#"{"a":{"k":"<&>'é"}}"#),
        r#""{\"k\":\"<&>'é\"}""#
    );
}

#[test]
fn numbers_are_read_from_text_or_refused() {
    assert_eq!(
        json_of(
            "[a | int, b | int, c | float]",
            r#"{"a":" 42 ","b":"3.9","c":"2.50"}"#
        ),
        "[42,3,2.5]"
    );
    assert_eq!(
        json_of("a | int", r#"{"a":"18446744073709551615"}"#),
        "18446744073709551615"
    );
    assert_eq!(
        error_of("a | int", r#"{"a":"4x"}"#),
        "`int` cannot read \"4x\" as a number"
    );
    assert_eq!(
        error_of("a | float", r#"{"a":"nan"}"#),
        "`float` cannot read \"nan\" as a number"
    );
}

#[test]
fn booleans_are_read_from_what_files_write() {
    assert_eq!(
        json_of("a | map('bool')", r#"{"a":["true","0","no",true]}"#),
        "[true,false,false,true]"
    );
    assert_eq!(
        error_of("a | bool", r#"{"a":"maybe"}"#),
        "`bool` cannot read \"maybe\" as true or false"
    );
}

#[test]
fn urlencode_leaves_no_slash() {
    assert_eq!(
        json_of("a | urlencode", r#"{"a":"a/b c"}"#),
        r#""a%2Fb%20c""#
    );
}

#[test]
fn lists_are_filtered_sorted_and_joined() {
    let record = r#"{"o":[{"k":"b","n":2},{"k":"a","n":1},{"k":"b","n":3}]}"#;
    assert_eq!(
        json_of(
            "o | selectattr('k', 'eq', 'b') | map(attribute='n') | list",
            record
        ),
        "[2,3]"
    );
    assert_eq!(
        json_of("o | rejectattr('n', 'gt', 1) | map(attribute='k')", record),
        r#"["a"]"#
    );
    assert_eq!(
        json_of(
            "o | sort(attribute='n', reverse=true) | map(attribute='n') | join('-')",
            record
        ),
        r#""3-2-1""#
    );
    assert_eq!(
        json_of(
            "o | groupby('k') | map(attribute='items') | map('length')",
            record
        ),
        "[2,1]"
    );
    assert_eq!(
        json_of("o | map(attribute='k') | unique", record),
        r#"["b","a"]"#
    );
    assert_eq!(
        json_of("[1, 2, 3] | select('odd') | batch(1)", record),
        "[[1],[3]]"
    );
    assert_eq!(
        json_of("o | max(attribute='n')", record),
        r#"{"k":"b","n":3}"#
    );
}

#[test]
fn an_attribute_to_select_by_must_be_there() {
    assert_eq!(
        error_of("o | selectattr('paid')", r#"{"o":[{"paid":true},{}]}"#),
        "item 1 of `selectattr` has no `paid`"
    );
    assert_eq!(
        error_of("o | selectattr('paid')", r#"{"o":[{"paid":"no"}]}"#),
        "item 0 of `selectattr` is neither true nor false"
    );
}

#[test]
fn maps_give_keys_values_and_pairs() {
    let record = r#"{"m":{"a":1,"b":2}}"#;
    assert_eq!(
        json_of("[m | keys, m | values, m | items]", record),
        r#"[["a","b"],[1,2],[["a",1],["b",2]]]"#
    );
}

#[test]
fn sums_stay_whole_and_do_not_overflow() {
    assert_eq!(
        json_of("[9223372036854775807, 1] | sum", "{}"),
        "9223372036854775808"
    );
    assert_eq!(json_of("[1, 0.5] | sum", "{}"), "1.5");
    assert_eq!(json_of("[] | sum", "{}"), "0");
}

#[test]
fn a_filter_or_test_that_is_named_by_text_must_exist() {
    assert_eq!(
        error_of("[1] | map('nope')", "{}"),
        "no filter `nope` for `map`"
    );
    assert_eq!(
        error_of("[1] | map('_number')", "{}"),
        "no filter `_number` for `map`"
    );
    assert_eq!(
        error_of("[1] | select('nope')", "{}"),
        "no test `nope` for `select`"
    );
}
