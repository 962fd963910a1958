//! The thread that reads the source: keeps parsing, keys and filters away from the I/O thread.

use super::{
    Bad, Batch, Fed, Opened, Passed, Record, SourceError,
    index::{Counting, Index},
    source::{Body, Piece, typed_again},
};
use crate::{
    expr::{Globals, Scope, json},
    journal::{DeadState, Identity, Journal, JournalError, Mark, Settled, StoredDead},
    plan::{self, Duplicates, Plan},
};
use bytes::Bytes;
use http::Method;
use minijinja::Value;
use rusqlite::Connection;
use std::{sync::Arc, time::Duration};
use tidegate::stream::{Batcher, Limits, Sender};
use tokio::time::Instant;

/// Records that travel together; fewer when the engine waits for them.
const BATCH: Limits = Limits {
    count: 64,
    bytes: 128 * 1024,
    age: Duration::MAX,
};

/// How records that an earlier run has settled are recognized.
#[derive(Debug)]
pub(crate) enum Matching {
    /// The source is unchanged: by position. These are settled.
    Position(Settled),
    /// It is another one: by identity.
    Identity,
}

/// Why reading has stopped before the end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ReaderError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What the thread needs.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) plan: Arc<Plan>,
    pub(crate) globals: Arc<Globals>,
    /// None: only the dead letters that are marked for retry.
    pub(crate) source: Option<Opened>,
    pub(crate) matching: Matching,
    /// The position of the source's next record.
    pub(crate) position: u64,
    pub(crate) after: Mark,
    /// A connection of its own to the journal, to read from.
    pub(crate) connection: Connection,
    pub(crate) journal: Journal,
    pub(crate) feed: Sender<Result<Batch, ReaderError>>,
    /// The source may have nothing for a while: what has been read must not wait for what has not.
    pub(crate) may_wait: bool,
}

impl Reader {
    /// Reads to the end, or until nobody takes the records any more.
    pub(crate) fn run(mut self) {
        let mut out = Outgoing {
            feed: self.feed.clone(),
            items: Batcher::new(BATCH),
            began: Instant::now(),
            may_wait: self.may_wait,
            after: self.after,
        };
        if let Err(Stop::Failed(error)) = self.read(&mut out) {
            // If nobody listens the run has ended for another reason, which is told instead.
            drop(self.feed.blocking_send(Err(error)));
        }
    }

    fn read(&mut self, out: &mut Outgoing) -> Result<(), Stop> {
        self.retries(out)?;
        let Some(mut source) = self.source.take() else {
            return out.flush();
        };
        let index = self.index()?;
        while let Some(piece) = source.next().map_err(ReaderError::from)? {
            let position = self.position;
            self.position += 1;
            let after = piece.after;
            if let Matching::Position(settled) = &self.matching
                && settled.contains(position)
            {
                out.after = after;
                continue;
            }
            let fed = self.judge(&source, piece, position, index.as_ref())?;
            out.push(fed, after)?;
        }
        out.flush()
    }

    /// An index is kept only where something asks which occurrence a record is.
    fn index(&self) -> Result<Option<Index>, JournalError> {
        let sends_keys = |step: &plan::StepPlan| {
            let plan::CallPlan::Http { method, .. } = &step.call;
            matches!(*method, Method::POST | Method::PATCH)
        };
        let counting = match self.matching {
            Matching::Identity => Counting::FromStart,
            Matching::Position(_) => Counting::AfterFinished,
        };
        let needed = counting == Counting::FromStart
            || self.plan.source.duplicates != Duplicates::Run
            || self.plan.steps.iter().any(sends_keys);
        needed
            .then(|| Index::build(self.journal.finished(&self.connection), counting))
            .transpose()
    }

    /// The dead letters that `dead retry` has marked come first.
    fn retries(&self, out: &mut Outgoing) -> Result<(), Stop> {
        let mut stopped = None;
        self.journal
            .each_dead(&self.connection, Some(DeadState::Retry), |dead| {
                if stopped.is_none() {
                    stopped = out.push(self.retry(dead), out.after).err();
                }
                Ok(())
            })?;
        stopped.map_or(Ok(()), Err)
    }

    fn retry(&self, dead: StoredDead) -> Fed {
        let raw = Bytes::from(dead.record);
        let start = Mark {
            offset: 0,
            line: dead.letter.line.unwrap_or(0),
        };
        let identity = dead.identity.unwrap_or_else(|| hash(b'c', &raw));
        let made = typed_again(&self.plan, raw.clone()).and_then(|raw| {
            let scope = Scope::new(&self.globals, object(&raw)?);
            Ok((self.key(&scope)?, raw, scope))
        });
        match made {
            Ok((key, raw, scope)) => Fed::Record(Box::new(Record {
                position: dead.position,
                start,
                scope: Some(scope),
                raw,
                key,
                identity,
                // Positions differ where identities are equal, and stay the same from run to run.
                occurrence: u64::MAX - dead.position,
                generation: dead.generation,
                retry_of: Some(dead.id),
            })),
            Err(cause) => Fed::Bad(Box::new(Bad {
                position: dead.position,
                start,
                cause,
                raw,
                template: false,
                provisional: false,
                identity,
                retry_of: Some(dead.id),
                generation: dead.generation,
            })),
        }
    }

    fn judge(
        &self,
        source: &Opened,
        piece: Piece,
        position: u64,
        index: Option<&Index>,
    ) -> Result<Fed, JournalError> {
        let (start, body) = (piece.start, &piece.body);
        let passed = |why| {
            Ok(Fed::Passed {
                position,
                start,
                why,
            })
        };
        let bad = |cause: String, raw: Bytes| Bad {
            position,
            start,
            cause,
            identity: hash(b'c', &raw),
            raw,
            template: false,
            provisional: false,
            retry_of: None,
            generation: 0,
        };
        let (raw, scope, key) = match self.read_record(source, body) {
            Ok(read) => read,
            Err(Fault::Filtered) => return passed(Passed::Filtered),
            Err(Fault::Expression(cause)) => {
                let mut bad = bad(cause, source.as_it_stood(body));
                bad.template = true;
                return self.give_bad(bad, index);
            }
            Err(Fault::Unreadable(cause)) => {
                let mut bad = bad(cause, source.as_it_stood(body));
                bad.provisional = piece.unterminated;
                return self.give_bad(bad, index);
            }
        };
        let identity = match (&key, body) {
            (Some(key), _) => hash(b'k', key.as_bytes()),
            (None, Body::Row(row)) => hash(b'c', &row.bytes),
            (None, _) => hash(b'c', &raw),
        };
        let seen = index.map(|index| index.meet(&identity)).transpose()?;
        let occurrence = seen.map_or(0, |seen| seen.occurrence);
        match self.plan.source.duplicates {
            _ if seen.is_some_and(|seen| seen.finished) => return passed(Passed::Finished),
            Duplicates::Skip if occurrence > 1 => return passed(Passed::Filtered),
            Duplicates::Dead if occurrence > 1 => {
                let cause = format!(
                    "its key has come before: it is number {occurrence} (`duplicates: dead`)"
                );
                return Ok(Fed::Bad(Box::new(bad(cause, raw))));
            }
            _ => {}
        }
        Ok(Fed::Record(Box::new(Record {
            position,
            start,
            scope: Some(scope),
            raw,
            key,
            identity,
            occurrence,
            generation: 0,
            retry_of: None,
        })))
    }

    /// A line that is no record, unless an earlier run has buried it already.
    fn give_bad(&self, bad: Bad, index: Option<&Index>) -> Result<Fed, JournalError> {
        let by_identity = matches!(self.matching, Matching::Identity) && !bad.provisional;
        if let Some(index) = index.filter(|_| by_identity)
            && index.meet(&bad.identity)?.finished
        {
            return Ok(Fed::Passed {
                position: bad.position,
                start: bad.start,
                why: Passed::Finished,
            });
        }
        Ok(Fed::Bad(Box::new(bad)))
    }

    /// The record's JSON, the names within reach of its expressions, and its key.
    fn read_record(&self, source: &Opened, body: &Body) -> Result<ReadRecord, Fault> {
        let raw = source.json(body).map_err(Fault::Unreadable)?;
        let value = object(&raw).map_err(Fault::Unreadable)?;
        let scope = Scope::new(&self.globals, value);
        if let Some(filter) = &self.plan.source.filter {
            match filter.eval_condition(&scope) {
                Ok(true) => {}
                Ok(false) => return Err(Fault::Filtered),
                Err(error) => return Err(Fault::Expression(format!("where: {error}"))),
            }
        }
        let key = self.key(&scope).map_err(Fault::Expression)?;
        Ok((raw, scope, key))
    }

    /// The key as canonical JSON; none where the flow names no key.
    fn key(&self, scope: &Scope) -> Result<Option<Box<str>>, String> {
        let key = match &self.plan.source.key {
            plan::Identity::Content => return Ok(None),
            plan::Identity::Key(expression) => expression.eval(scope),
            plan::Identity::Keys(expressions) => expressions
                .iter()
                .map(|expression| expression.eval(scope))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::from),
        };
        let key = key.map_err(|error| format!("key: {error}"))?;
        json::key_json(&key)
            .map(|key| Some(key.into()))
            .map_err(|error| format!("key: {error}"))
    }
}

type ReadRecord = (Bytes, Scope, Option<Box<str>>);

/// Why a piece is no record to work on.
enum Fault {
    /// `where` is false for it.
    Filtered,
    Unreadable(String),
    /// The key or `where` fails: likely for every record.
    Expression(String),
}

fn object(raw: &Bytes) -> Result<Value, String> {
    let value = json::parse(raw).map_err(|error| format!("not JSON: {error}"))?;
    if crate::output::is_object(&value) {
        Ok(value)
    } else {
        Err("not a JSON object".to_owned())
    }
}

fn hash(kind: u8, bytes: &[u8]) -> Identity {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[kind]).update(bytes);
    let mut identity = [0; 16];
    identity.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    identity
}

enum Stop {
    /// Nobody takes the records any more.
    Unwanted,
    Failed(ReaderError),
}

impl From<ReaderError> for Stop {
    fn from(error: ReaderError) -> Self {
        Stop::Failed(error)
    }
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Stop::Failed(error.into())
    }
}

/// A file travels in large batches: each one wakes the I/O thread. What comes out of a pipe is sent as soon as there is room.
struct Outgoing {
    feed: Sender<Result<Batch, ReaderError>>,
    items: Batcher<Fed>,
    /// Stands for every time: the age of a batch has no bound.
    began: Instant,
    after: Mark,
    may_wait: bool,
}

impl Outgoing {
    fn push(&mut self, fed: Fed, after: Mark) -> Result<(), Stop> {
        self.after = after;
        let bytes = match &fed {
            Fed::Record(record) => record.weight(),
            Fed::Bad(bad) => bad.raw.len(),
            Fed::Passed { .. } => 0,
        };
        self.items.push(fed, bytes, self.began);
        if self.items.is_full() {
            return self.flush();
        }
        if !self.may_wait {
            return Ok(());
        }
        match self.feed.try_reserve() {
            Ok(place) => {
                let items = self.items.take();
                let after = self.after;
                place.send(Ok(Batch { items, after }));
                return Ok(());
            }
            Err(error) if error.is_full() => {}
            Err(_) => return Err(Stop::Unwanted),
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let items = self.items.take();
        let after = self.after;
        self.feed
            .blocking_send(Ok(Batch { items, after }))
            .map_err(|_| Stop::Unwanted)
    }
}
