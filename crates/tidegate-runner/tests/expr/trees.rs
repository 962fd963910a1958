//! JSON bodies with texts as leaves.

use super::check::scope;
use tidegate_runner::expr::{Position, Text, Tree};

fn leaf(source: &str) -> Tree {
    Tree::Text(Text::compile(source, Position::Json).unwrap())
}

fn render(tree: &Tree, record: &str) -> Result<String, String> {
    let mut out = Vec::new();
    tree.render_json(&scope(record), &mut out)
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn a_body_keeps_order_types_and_quotes_text() {
    let tree = Tree::Map(vec![
        ("z".into(), leaf("{{ n }}")),
        ("a\"".into(), leaf("say \"{{ s }}\"")),
        (
            "l".into(),
            Tree::List(vec![
                Tree::Null,
                Tree::Bool(true),
                Tree::Number(3.into()),
                leaf("{{ m }}"),
            ]),
        ),
    ]);
    let record = r#"{"n":null,"s":"\"},{\"x\":\"\n","m":{"k":[1]}}"#;
    assert_eq!(
        render(&tree, record).unwrap(),
        r#"{"z":null,"a\"":"say \"\"},{\"x\":\"\n\"","l":[null,true,3,{"k":[1]}]}"#
    );
    assert!(tree.mentions().names.contains("m"));
}

#[test]
fn a_body_with_something_missing_is_an_error() {
    assert_eq!(
        render(&Tree::List(vec![leaf("{{ gone }}")]), "{}").unwrap_err(),
        "no field or step `gone`"
    );
    assert!(render(&leaf("{{ 1e400 }}"), "{}").is_err());
}
