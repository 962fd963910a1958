//! What a name means: reserved words, then steps, then fields.

use super::check::{error_of, eval, json_of, scope, scope_with_user, shown, value};

#[test]
fn a_field_cannot_take_the_place_of_a_reserved_name() {
    let record =
        r#"{"env":{"TOKEN":"mine"},"run":1,"steps":2,"vars":3,"record":4,"request":5,"item":6}"#;
    assert_eq!(json_of("env.TOKEN == 'mine'", record), "false");
    assert_eq!(json_of("run.id", record), r#""r1""#);
    assert_eq!(json_of("vars.limit", record), "7");
    assert_eq!(json_of("record.record", record), "4");
    assert_eq!(error_of("item", record), "`item` is not within reach here");
    assert_eq!(
        error_of("message", r#"{"message":1}"#),
        "`message` is not within reach here"
    );
}

#[test]
fn a_field_with_a_dash_is_proposed_where_it_was_read_as_a_difference() {
    for (source, record) in [
        ("user-id", r#"{"user-id":7}"#),
        ("user-id > 5", r#"{"user-id":7,"user":8}"#),
    ] {
        let error = eval(source, &scope(record)).unwrap_err();
        assert_eq!(
            error.help.as_deref(),
            Some("for the field write  record['user-id']"),
            "{source}: {error}"
        );
    }
    assert_eq!(json_of("record['user-id']", r#"{"user-id":7}"#), "7");
    let error = eval("record['user-id'] - id", &scope(r#"{"user-id":7}"#)).unwrap_err();
    assert_eq!(
        error.help.as_deref(),
        Some("known here: user-id, user, geo")
    );
}

#[test]
fn a_step_beats_a_field_and_record_means_the_field() {
    let scope = scope_with_user(r#"{"user":"field"}"#, r#"{"name":"Ann"}"#);
    assert_eq!(shown(&eval("user.name", &scope).unwrap()), r#""Ann""#);
    assert_eq!(shown(&eval("record.user", &scope).unwrap()), r#""field""#);
}

#[test]
fn a_step_that_has_not_run_is_none() {
    assert_eq!(json_of("geo", r#"{"geo":1}"#), "null");
    assert_eq!(json_of("geo is none", "{}"), "true");
    assert_eq!(json_of("steps.geo.status == 404", "{}"), "false");
    assert_eq!(json_of("steps.geo.attempts", "{}"), "0");
}

#[test]
fn a_step_shows_status_headers_and_attempts() {
    let scope = scope_with_user("{}", "[1]");
    assert_eq!(shown(&eval("steps.user.status", &scope).unwrap()), "200");
    assert_eq!(
        shown(&eval("steps.user.headers['content-type']", &scope).unwrap()),
        r#""application/json""#
    );
    assert_eq!(shown(&eval("steps.user.attempts", &scope).unwrap()), "2");
    assert_eq!(shown(&eval("steps['user'].body", &scope).unwrap()), "[1]");
    assert_eq!(
        eval("steps.user.stat", &scope).unwrap_err().help.as_deref(),
        Some("did you mean `status`?")
    );
    assert_eq!(
        eval("steps.usr.status", &scope).unwrap_err().to_string(),
        "`steps` has no `usr`"
    );
}

#[test]
fn item_and_index_are_within_reach_of_their_own_scope_only() {
    let scope = scope("{}");
    let inner = scope.with_item(value(r#"{"n":4}"#), 1);
    assert_eq!(shown(&eval("item.n * 10 + index", &inner).unwrap()), "41");
    assert!(eval("item", &scope).is_err());
}

#[test]
fn a_result_is_seen_by_scopes_made_before_it() {
    let scope = scope("{}");
    let inner = scope.with_item(value("1"), 0);
    scope.set_step(
        0,
        tidegate_runner::expr::StepValue {
            body: value("5"),
            status: None,
            headers: value("{}"),
            attempts: 0,
            error: Some("gone".to_owned()),
        },
    );
    assert_eq!(
        shown(&eval("[user, steps.user.error]", &inner).unwrap()),
        r#"[5,"gone"]"#
    );
}

#[test]
fn the_request_is_within_reach_of_its_headers() {
    let scope = scope("{}").with_request("h.example", "2026-01-01T00:00:00Z", "b");
    assert_eq!(
        shown(&eval("request.host ~ request.time ~ request.body", &scope).unwrap()),
        r#""h.example2026-01-01T00:00:00Zb""#
    );
}

#[test]
fn fields_may_be_called_like_methods_and_words() {
    let record =
        r#"{"o":{"items":1,"keys":2,"get":3,"count":4},"in":5,"if":6,"user-id":7,"true":8}"#;
    assert_eq!(
        json_of("[o.items, o.keys, o.get, o.count]", record),
        "[1,2,3,4]"
    );
    assert_eq!(json_of("in", record), "5");
    assert_eq!(json_of("if + 1", record), "7");
    assert_eq!(json_of("record['user-id']", record), "7");
    assert_eq!(json_of("record['true']", record), "8");
    assert_eq!(json_of("true", record), "true");
}

#[test]
fn null_is_written_either_way() {
    assert_eq!(json_of("a == null", r#"{"a":null}"#), "true");
    assert_eq!(json_of("a == none", r#"{"a":null}"#), "true");
}

#[test]
fn the_environment_cannot_be_listed() {
    assert_eq!(
        error_of("env.MISSING", "{}"),
        "the environment variable MISSING is not set"
    );
    assert_eq!(json_of("env.MISSING | default('y')", "{}"), r#""y""#);
}

#[test]
fn a_record_that_is_no_map_has_no_fields() {
    assert_eq!(json_of("record + 1", "4"), "5");
    assert_eq!(error_of("id", "4"), "no field or step `id`");
}
