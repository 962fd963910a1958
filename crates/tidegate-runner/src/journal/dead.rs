//! Dead letters: records that will not succeed, with the reason.

use super::Identity;
use serde::Serialize;

/// A dead letter about to be written.
#[derive(Clone, Debug)]
pub struct NewDead {
    /// The record's identity; `None` for a line that is none.
    pub identity: Option<Identity>,
    /// Its number in the source.
    pub position: u64,
    /// What is shown.
    pub letter: DeadLetter,
    /// The record's own bytes, for `dead retry`.
    pub record: Vec<u8>,
    /// A last line without its end: judged again by the next run, as its writer may still complete it.
    pub provisional: bool,
    /// How often the record had been retried by `dead retry`.
    pub generation: u32,
}

/// What a dead letter says.
#[derive(Clone, Debug, Default, Serialize, serde::Deserialize)]
pub struct DeadLetter {
    /// The record; a text if it could not be read.
    pub record: serde_json::Value,
    /// The key as canonical JSON.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// The line of the source on which the record begins, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u64>,
    /// The step that failed; none: the record itself, its row or the sink.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<String>,
    /// Why, in one line.
    pub cause: String,
    /// The HTTP status of the last answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// How many attempts were made.
    pub attempts: u32,
    /// The head of the last answer's body.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
    /// The request may have been carried out although no answer came.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub maybe_done: bool,
    /// When, as RFC 3339.
    pub at: String,
}

/// What is to happen with a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadState {
    /// Nothing.
    Dead,
    /// Marked by `dead retry`: the next run works on it.
    Retry,
}
