//! A value never changes which resource a request asks for.

use super::check::{scope, scope_with_user};
use minijinja::Value;
use proptest::prelude::*;
use tidegate_runner::expr::{Target, TargetValue};

fn rendered(target: &str, record: &str) -> Result<String, String> {
    let target = Target::compile(target).unwrap();
    match target.render(&scope(record)) {
        Ok(TargetValue::PathAndQuery(text) | TargetValue::Url(text)) => Ok(text),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_placeholder_is_one_encoded_segment() {
    let record = r#"{"id":"a/../b?c=d#e é\r\nX: y"}"#;
    assert_eq!(
        rendered("/users/{{ id }}/x", record).unwrap(),
        "/users/a%2F..%2Fb%3Fc%3Dd%23e%20%C3%A9%0D%0AX%3A%20y/x"
    );
    assert_eq!(
        rendered("/u/{{ n }}/{{ f }}/{{ b }}", r#"{"n":7,"f":2.0,"b":true}"#).unwrap(),
        "/u/7/2/true"
    );
}

#[test]
fn empty_null_and_dots_cannot_stand_in_a_path() {
    let refused = |record: &str| rendered("/users/{{ id }}", record).unwrap_err();
    assert_eq!(
        refused(r#"{"id":""}"#),
        "\"\" cannot stand in the path of /users/{{ id }}"
    );
    assert_eq!(
        refused(r#"{"id":null}"#),
        "null cannot stand in the path of /users/{{ id }}"
    );
    assert_eq!(
        refused(r#"{"id":"."}"#),
        "\".\" cannot stand in the path of /users/{{ id }}"
    );
    assert_eq!(
        refused(r#"{"id":".."}"#),
        "\"..\" cannot stand in the path of /users/{{ id }}"
    );
    assert_eq!(
        rendered("/users/{{ id }}", r#"{"id":"..."}"#).unwrap(),
        "/users/..."
    );
}

#[test]
fn parts_of_a_segment_do_not_add_up_to_dots() {
    for target in [
        "/a/{{ x }}{{ x }}",
        "/a/.{{ x }}",
        "/a/{{ x }}.",
        "/a/%2e{{ x }}/b",
        "/a/{{ x }}./b",
        "/a/{{ x }}?q=1",
    ] {
        assert!(rendered(target, r#"{"x":"."}"#).is_err(), "{target}");
    }
    assert_eq!(rendered("/a/v{{ x }}", r#"{"x":"."}"#).unwrap(), "/a/v.");
}

#[test]
fn a_list_or_map_cannot_stand_in_a_path() {
    assert_eq!(
        rendered("/{{ x }}", r#"{"x":[1]}"#).unwrap_err(),
        "`x` is a list, which is no text"
    );
}

#[test]
fn a_query_keeps_its_constant_part_and_encodes_values() {
    let record = r#"{"q":"a&b=c d","e":""}"#;
    assert_eq!(
        rendered("/s?x=1&y=%20&q={{ q }}&e={{ e }}&z=a/b?c", record).unwrap(),
        "/s?x=1&y=%20&q=a%26b%3Dc%20d&e=&z=a/b?c"
    );
    assert!(rendered("/s?q={{ q }}", r#"{"q":null}"#).is_err());
}

#[test]
fn a_whole_url_stands_alone_behind_its_filter() {
    let target = Target::compile("{{ user.next | url }}").unwrap();
    assert!(target.is_whole_url());
    assert!(rendered("{{ 'no url' if true else next | url }}", "{}").is_err());
    let scope = scope_with_user("{}", r#"{"next":"https://api.example.com/p?cursor=a%2Fb"}"#);
    assert_eq!(
        target.render(&scope).unwrap(),
        TargetValue::Url("https://api.example.com/p?cursor=a%2Fb".into())
    );
    for next in [
        r#""/relative""#,
        r#""ftp://x/y""#,
        r#""https://u:p@h/""#,
        r#""https://h/ a""#,
        r#""https://h/\r\nX: y""#,
        r#""""#,
        "null",
        "7",
    ] {
        let scope = scope_with_user("{}", &format!(r#"{{"next":{next}}}"#));
        assert!(target.render(&scope).is_err(), "{next}");
    }
}

#[test]
fn the_host_of_a_target_is_constant() {
    let target = Target::compile("https://api.example.com/u/{{ id }}").unwrap();
    assert!(target.is_whole_url());
    assert_eq!(
        target.render(&scope(r#"{"id":"a/b"}"#)).unwrap(),
        TargetValue::Url("https://api.example.com/u/a%2Fb".into())
    );
    for source in [
        "https://{{ host }}/x",
        "https://api.example.com{{ x }}",
        "{{ x }}/y",
        "{{ x }}",
        "https://u@h/x",
    ] {
        assert!(Target::compile(source).is_err(), "{source}");
    }
}

#[test]
fn what_no_url_holds_is_a_fault() {
    for source in [
        "users/{{ id }}",
        "/a b",
        "/a#b",
        "/größe",
        "/a/../{{ x }}",
        "/a/%2E",
        "/{{ x | url }}",
        "",
        "/a\n",
    ] {
        assert!(Target::compile(source).is_err(), "{source}");
    }
    assert_eq!(
        Target::compile("/a b").unwrap_err().help.as_deref(),
        Some("write %20")
    );
}

proptest! {
    #[test]
    fn no_text_leaves_its_segment(id in any::<String>()) {
        let target = Target::compile("/users/{{ id }}/orders?n={{ id }}").unwrap();
        let record = Value::from_pairs([("id", Value::from(id.as_str()))]);
        let scope = tidegate_runner::expr::Scope::new(&super::check::globals(), record);
        match target.render(&scope) {
            Ok(TargetValue::PathAndQuery(text)) => {
                let (path, query) = text.split_once('?').unwrap();
                let segments: Vec<&str> = path.split('/').collect();
                prop_assert_eq!(segments.len(), 4, "{}", path);
                prop_assert!(!matches!(segments[2], "" | "." | ".."));
                prop_assert!(!query.contains(['?', '&', '#', '/']));
                prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()));
            }
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(_) => prop_assert!(matches!(id.as_str(), "" | "." | "..")),
        }
    }
}
