//! Values as CSV fields and SQL columns.

use super::check::value;
use minijinja::Value;
use tidegate_runner::expr::{Scalar, to_cell};

#[test]
fn every_kind_of_value_has_its_cell() {
    let cell = |json: &str| format!("{:?}", to_cell(&value(json)).unwrap());
    assert_eq!(cell("null"), "Null");
    assert_eq!(cell("true"), "Bool(true)");
    assert_eq!(cell("-7"), "Int(-7)");
    assert_eq!(cell("1.5"), "Real(1.5)");
    assert_eq!(cell(r#""x""#), r#"Text("x")"#);
    assert_eq!(cell(r#"{"a":[1]}"#), r#"Text("{\"a\":[1]}")"#);
    assert_eq!(
        cell("18446744073709551615"),
        r#"Text("18446744073709551615")"#
    );
}

#[test]
fn what_no_cell_can_carry_is_an_error() {
    assert!(to_cell(&Value::UNDEFINED).is_err());
    assert!(to_cell(&Value::from(f64::INFINITY)).is_err());
    assert_eq!(to_cell(&Value::from(2.0)).unwrap(), Scalar::Real(2.0));
}
