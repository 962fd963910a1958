use super::{error::EvalError, json, mentions::Mentions, scope::Scope, text::Text};

/// A JSON body whose leaves may be texts with placeholders.
#[derive(Debug)]
pub enum Tree {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as the file writes it.
    Number(serde_json::Number),
    /// A text; a lone placeholder keeps the type of its value.
    Text(Text),
    /// A list.
    List(Vec<Tree>),
    /// A map, in the order of the file.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// Appends the body as JSON, without spaces.
    ///
    /// # Errors
    ///
    /// As [`Text::render`], and values that JSON cannot carry. `out` then holds a part of the body.
    pub fn render_json(&self, scope: &Scope, out: &mut Vec<u8>) -> Result<(), EvalError> {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => {
                json::write(&text.value(scope)?, out).map_err(|cause| text.error(scope, cause))?;
            }
            Self::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    separate(index, out);
                    item.render_json(scope, out)?;
                }
                out.push(b']');
            }
            Self::Map(entries) => {
                out.push(b'{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    separate(index, out);
                    json::write_string(key, out);
                    out.push(b':');
                    value.render_json(scope, out)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }

    /// What all texts mention.
    pub fn mentions(&self) -> Mentions {
        let mut mentions = Mentions::default();
        self.collect(&mut mentions);
        mentions
    }

    fn collect(&self, mentions: &mut Mentions) {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
            Self::Text(text) => mentions.merge(text.mentions()),
            Self::List(items) => items.iter().for_each(|item| item.collect(mentions)),
            Self::Map(entries) => entries
                .iter()
                .for_each(|(_, value)| value.collect(mentions)),
        }
    }
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}
