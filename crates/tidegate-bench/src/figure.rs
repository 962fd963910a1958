//! One figure, its target, and the line it is printed as.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// What a figure has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    pub(crate) fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::AtLeast(least) => write!(f, ">= {least}"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A figure that is to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) target: Target,
}

/// A figure's line.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    #[serde(rename = "figure")]
    name: &'static str,
    /// None: it could not be measured; `detail.error` says why.
    value: Option<f64>,
    unit: &'static str,
    target: Target,
    pub(crate) ok: bool,
    detail: Value,
}

impl Wanted {
    pub(crate) const fn at_most(name: &'static str, unit: &'static str, most: f64) -> Self {
        Self {
            name,
            unit,
            target: Target::AtMost(most),
        }
    }

    pub(crate) const fn at_least(name: &'static str, unit: &'static str, least: f64) -> Self {
        Self {
            name,
            unit,
            target: Target::AtLeast(least),
        }
    }

    /// Rounded to four decimals first, so that what is printed is what was compared.
    pub(crate) fn measured(self, value: f64, detail: Value) -> Figure {
        let value = (value * 1e4).round() / 1e4;
        self.line(Some(value), self.target.is_met_by(value), detail)
    }

    pub(crate) fn failed(self, error: &dyn fmt::Display) -> Figure {
        let detail = serde_json::json!({ "error": error.to_string() });
        self.line(None, false, detail)
    }

    fn line(self, value: Option<f64>, ok: bool, detail: Value) -> Figure {
        Figure {
            name: self.name,
            value,
            unit: self.unit,
            target: self.target,
            ok,
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Wanted = Wanted::at_most("runner/share", "ratio", 0.6);

    #[test]
    fn a_target_is_met_at_its_bound_and_not_beyond() {
        let met = |target: Target| [0.5, 0.6, 0.7].map(|value| target.is_met_by(value));
        assert_eq!(met(Target::AtMost(0.6)), [true, true, false]);
        assert_eq!(met(Target::AtLeast(0.6)), [false, true, true]);
        assert!(!Target::AtMost(0.6).is_met_by(f64::NAN));
        assert!(!Target::AtLeast(0.6).is_met_by(f64::NAN));
    }

    #[test]
    fn what_is_printed_is_what_was_compared() {
        let line = serde_json::to_value(SHARE.measured(0.600_04, Value::Null)).unwrap();
        let expected = serde_json::json!({
            "figure": "runner/share", "value": 0.6, "unit": "ratio", "target": "<= 0.6", "ok": true, "detail": null,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_figure_that_was_not_measured_is_not_ok_and_says_why() {
        let line = serde_json::to_value(SHARE.failed(&"no such program")).unwrap();
        assert_eq!(line["value"], Value::Null);
        assert_eq!(line["ok"], Value::Bool(false));
        assert_eq!(line["detail"]["error"], "no such program");
    }
}
