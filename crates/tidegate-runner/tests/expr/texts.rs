//! Texts, escaped for where they stand.

use super::check::{scope, shown};
use tidegate_runner::expr::{Position, Text};

fn render(source: &str, position: Position, record: &str) -> Result<String, String> {
    Text::compile(source, position)
        .unwrap()
        .render(&scope(record))
        .map_err(|error| error.to_string())
}

#[test]
fn values_print_as_a_reader_expects() {
    let record = r#"{"w":2.0,"f":2.5,"t":true,"i":18446744073709551615,"s":"x"}"#;
    assert_eq!(
        render(
            "{{ w }} {{ f }} {{ t }} {{ i }} {{ s }}",
            Position::Plain,
            record
        )
        .unwrap(),
        "2 2.5 true 18446744073709551615 x"
    );
}

#[test]
fn null_lists_and_maps_are_no_text() {
    let error = |record: &str| {
        Text::compile("a {{ x }}", Position::Plain)
            .unwrap()
            .render(&scope(record))
            .unwrap_err()
    };
    let null = error(r#"{"x":null}"#);
    assert_eq!(null.to_string(), "`x` is null, which is no text");
    assert!(null.help.unwrap().contains("default"));
    assert!(error(r#"{"x":[1]}"#).help.unwrap().contains("tojson"));
    assert!(error(r#"{"x":{}}"#).help.unwrap().contains("tojson"));
    assert_eq!(error("{}").to_string(), "no field or step `x`");
}

#[test]
fn a_lone_placeholder_keeps_its_type() {
    let value = |source: &str, record: &str| {
        shown(
            &Text::compile(source, Position::Plain)
                .unwrap()
                .value(&scope(record))
                .unwrap(),
        )
    };
    assert_eq!(value("{{ x }}", r#"{"x":null}"#), "null");
    assert_eq!(value("{{ x }}", r#"{"x":[1,{"a":2}]}"#), r#"[1,{"a":2}]"#);
    assert_eq!(value("{{ x }}", r#"{"x":7}"#), "7");
    assert_eq!(value(" {{ x }}", r#"{"x":7}"#), r#"" 7""#);
    assert_eq!(value("plain", "{}"), r#""plain""#);
}

#[test]
fn a_lone_null_leaves_an_entry_out() {
    let text = Text::compile("{{ x }}", Position::Query).unwrap();
    assert_eq!(text.render_optional(&scope(r#"{"x":null}"#)).unwrap(), None);
    assert_eq!(
        text.render_optional(&scope(r#"{"x":"a b"}"#)).unwrap(),
        Some("a%20b".into())
    );
    let text = Text::compile("-{{ x }}", Position::Query).unwrap();
    assert!(text.render_optional(&scope(r#"{"x":null}"#)).is_err());
}

#[test]
fn a_query_text_is_encoded_as_a_whole() {
    assert_eq!(
        render("a&b {{ x }}", Position::Query, r#"{"x":"c=d"}"#).unwrap(),
        "a%26b%20c%3Dd"
    );
}

#[test]
fn a_header_stays_one_visible_line() {
    assert_eq!(
        render("Bearer {{ x }}", Position::Header, r#"{"x":"abc"}"#).unwrap(),
        "Bearer abc"
    );
    for bad in [r"a\r\nX: y", r"a\n", r"a\u0000", r"a\u007f", "é"] {
        assert!(
            render("{{ x }}", Position::Header, &format!(r#"{{"x":"{bad}"}}"#)).is_err(),
            "{bad}"
        );
    }
    assert!(Text::compile("a\nb", Position::Header).is_err());
}

#[test]
fn a_file_name_stays_in_its_folder() {
    let name = |id: &str| {
        render(
            "out/{{ id }}.json",
            Position::FileName,
            &serde_json::json!({ "id": id }).to_string(),
        )
    };
    assert_eq!(name("a b").unwrap(), "out/a b.json");
    assert_eq!(
        name("../../etc/passwd").unwrap(),
        "out/%2E%2E%2F..%2Fetc%2Fpasswd.json"
    );
    assert_eq!(name(r"C:\x").unwrap(), "out/C%3A%5Cx.json");
    assert_eq!(name("a\0b%2F").unwrap(), "out/a%00b%252F.json");
    assert!(name("").is_err());
}

#[test]
fn braces_and_quotes_inside_a_placeholder_do_not_end_it() {
    assert_eq!(
        render("{{ {'a': {'b': '}}'}}['a'].b }}!", Position::Plain, "{}").unwrap(),
        "}}!"
    );
    assert_eq!(
        render("{{ '{{' }} { } }}", Position::Plain, "{}").unwrap(),
        "{{ { } }}"
    );
}

#[test]
fn a_text_knows_whether_it_is_constant() {
    let constant = |source: &str| {
        Text::compile(source, Position::Plain)
            .unwrap()
            .is_constant()
    };
    assert!(constant("plain") && constant("a{{ 1 }}") && constant(""));
    assert!(!constant("{{ x }}"));
}
