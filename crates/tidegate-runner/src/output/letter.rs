//! Dead letters, made of a record and the reason of its death.

use crate::{
    call::Death,
    journal::{DeadLetter, NewDead, now},
    record::{Bad, Record},
};
use serde_json::Value;

/// The letter of a record that was worked on; `step` is the name of the step that failed.
pub(crate) fn of_record(record: &Record, death: &Death, step: Option<&str>) -> NewDead {
    let letter = DeadLetter {
        record: serde_json::from_slice(&record.raw).unwrap_or_else(|_| as_text(&record.raw)),
        key: record.key.as_deref().map(str::to_owned),
        line: (record.start.line > 0).then_some(record.start.line),
        step: step.map(str::to_owned),
        cause: death.cause.clone(),
        status: death.status,
        attempts: death.attempts,
        body: death.body.clone(),
        maybe_done: death.maybe_done,
        at: now(),
    };
    NewDead {
        identity: Some(record.identity),
        position: record.position,
        letter,
        record: record.raw.to_vec(),
        provisional: false,
        generation: record.generation,
    }
}

/// The letter of a line that is no record.
pub(crate) fn of_line(bad: &Bad) -> NewDead {
    let letter = DeadLetter {
        record: serde_json::from_slice(&bad.raw)
            .ok()
            .filter(Value::is_object)
            .unwrap_or_else(|| as_text(&bad.raw)),
        line: (bad.start.line > 0).then_some(bad.start.line),
        cause: bad.cause.clone(),
        at: now(),
        ..DeadLetter::default()
    };
    NewDead {
        identity: Some(bad.identity),
        position: bad.position,
        letter,
        record: bad.raw.to_vec(),
        provisional: bad.provisional,
        generation: bad.generation,
    }
}

fn as_text(bytes: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(bytes).into_owned())
}
