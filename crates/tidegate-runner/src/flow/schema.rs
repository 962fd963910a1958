//! The tables of keys as a JSON schema (draft 2020-12), for completion in editors.

use serde_json::{Map, Value, json};

use super::keys::{self, Others, Shape, Table};

/// The JSON schema of a flow file; every default stands there with its reason.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    let root = table(&keys::FLOW, &mut definitions);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidegate flow file",
        "required": ["source"],
        "$defs": definitions,
    });
    if let (Value::Object(schema), Value::Object(root)) = (&mut schema, root) {
        schema.extend(root);
    }
    schema
}

fn table(table: &'static Table, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for key in table.keys {
        let mut value = shape(&key.shape, definitions);
        if let Value::Object(value) = &mut value {
            value.insert("description".to_owned(), key.about.into());
            value.insert("examples".to_owned(), json!([key.example]));
            if let Some(default) = key.default {
                value.insert("default".to_owned(), default_value(default));
            }
        }
        properties.insert(key.name.to_owned(), value);
    }
    let mut object =
        json!({ "type": "object", "description": table.about, "properties": properties });
    object["additionalProperties"] = match table.others {
        Others::Refused | Others::CallLater => json!(false),
        Others::Call => {
            json!({ "type": "string", "pattern": "^(GET|HEAD|OPTIONS|PUT|DELETE|POST|PATCH) ", "description": "SERVICE: METHOD TARGET" })
        }
    };
    if !table.later.is_empty() {
        object["x-reserved"] = json!(table.later);
        if table.others == Others::Call {
            object["propertyNames"] = json!({ "not": { "enum": table.later } });
        }
    }
    object
}

/// A number or boolean as itself, all else as a text.
fn default_value(default: &str) -> Value {
    match serde_json::from_str(default) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => default.into(),
    }
}

fn shape(shape: &'static Shape, definitions: &mut Map<String, Value>) -> Value {
    match shape {
        Shape::Text | Shape::Word => json!({ "type": ["string", "number", "boolean"] }),
        // A bare number or boolean is an expression too.
        Shape::Expr => {
            json!({ "type": ["string", "number", "boolean", "null", "object", "array"] })
        }
        Shape::OneOf(words) => json!({ "enum": words }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::False => json!({ "const": false }),
        Shape::Count(least) => json!({ "type": "integer", "minimum": least }),
        Shape::Duration => {
            json!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *(ms|s|m|h|d)$" })
        }
        Shape::Size => {
            json!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *([kMG]|[KMG]i)?B$" })
        }
        Shape::Rate => {
            let rate = json!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? */ *[smhd]$" });
            json!({ "anyOf": [rate, { "type": "array", "items": rate, "minItems": 1, "maxItems": 1 }] })
        }
        Shape::Share => json!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *%$" }),
        Shape::Percentile => {
            json!({ "type": "string", "pattern": r"^p[0-9]{1,2}(\.[0-9]+)?$" })
        }
        Shape::Tree => json!({}),
        Shape::Texts => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "null"] } })
        }
        Shape::Exprs | Shape::Values => json!({ "type": "object", "additionalProperties": {} }),
        Shape::Words(words) => {
            json!({ "type": "object", "additionalProperties": { "enum": words } })
        }
        Shape::Named(of) => {
            json!({ "type": "object", "additionalProperties": reference(of, definitions) })
        }
        Shape::Map(of) => reference(of, definitions),
        Shape::Many(one) => {
            let one = self::shape(one, definitions);
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        Shape::Statuses => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": 100, "maximum": 999 } })
        }
        Shape::Either(shapes) => {
            json!({ "anyOf": shapes.iter().map(|one| self::shape(one, definitions)).collect::<Vec<_>>() })
        }
        Shape::Exactly(number) => json!({ "const": number }),
    }
}

fn reference(of: &'static Table, definitions: &mut Map<String, Value>) -> Value {
    if !definitions.contains_key(of.id) {
        // In place before its own keys are read, so that a table that holds itself would end.
        definitions.insert(of.id.to_owned(), Value::Null);
        let schema = table(of, definitions);
        definitions.insert(of.id.to_owned(), schema);
    }
    json!({ "$ref": format!("#/$defs/{}", of.id) })
}
