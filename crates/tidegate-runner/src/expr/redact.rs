use super::escape::percent_encode;
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// Shorter values are too likely to be an ordinary word: `REGION=eu` would turn "europe" into "•••rope".
const SHORTEST_SECRET_CHARS: usize = 8;

/// What stands where a value of `env` stood.
const HIDDEN: &str = "•••";

/// The values of `env` in every form in which a message may carry them.
#[derive(Default)]
pub(super) struct Secrets {
    /// Longest first, so that a value that contains another one is hidden whole.
    forms: Vec<String>,
}

impl Secrets {
    pub(super) fn of(env: &BTreeMap<String, String>) -> Self {
        let mut forms = Vec::new();
        for value in env
            .values()
            .filter(|value| value.chars().count() >= SHORTEST_SECRET_CHARS)
        {
            let mut encoded = String::new();
            percent_encode(value, &mut encoded);
            let quoted = serde_json::Value::from(value.as_str()).to_string();
            forms.push(quoted[1..quoted.len() - 1].to_owned());
            forms.push(encoded);
            forms.push(value.clone());
        }
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { forms }
    }

    pub(super) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hidden = Cow::Borrowed(text);
        for form in &self.forms {
            if hidden.contains(form.as_str()) {
                hidden = Cow::Owned(hidden.replace(form.as_str(), HIDDEN));
            }
        }
        hidden
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.forms.len())
    }
}
