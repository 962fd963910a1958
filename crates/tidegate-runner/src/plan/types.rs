//! The parts of a plan.

use crate::expr::{Expr, Target, Text};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use tidegate::policy::{Breaker, Hedge, Queue};

/// Most steps of a flow: a run keeps those of a record that have ended in the bits of one word.
pub const MAX_STEPS: usize = 64;

/// A whole job, ready to run.
#[derive(Debug)]
pub struct Plan {
    /// The flow file.
    pub file: PathBuf,
    /// `name:` of the file, else the file's canonical path: which journal is its own.
    pub name: String,
    /// Hash over what the flow means: source, key, steps, row and sink, without limits and comments.
    pub meaning: [u8; 16],
    /// What a second run of a finished flow does.
    pub rerun: Rerun,
    /// `vars:` with the values of `--set` put in.
    pub vars: BTreeMap<String, minijinja::Value>,
    /// Every variable that the file names by `env.NAME`, with its value. Never shown.
    pub env: BTreeMap<String, String>,
    /// Where records come from.
    pub source: SourcePlan,
    /// Remote dependencies, by index.
    pub services: Vec<ServicePlan>,
    /// The steps, at most [`MAX_STEPS`]; each one's `needs` point to earlier entries only.
    pub steps: Vec<StepPlan>,
    /// Some expression reads `steps.…`: status and headers of answers are kept.
    pub reads_details: bool,
    /// Where results go; without a sink a record is done when its steps are.
    pub sink: Option<SinkPlan>,
    /// The file that shows the journal's dead letters.
    pub dead_letter: Option<DeadLetterPlan>,
    /// Limits over records.
    pub records: RecordsPlan,
}

/// `rerun:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rerun {
    /// A finished flow works on records that it has not seen (the default).
    New,
    /// A finished flow starts over.
    All,
}

/// `source:`.
#[derive(Debug)]
pub struct SourcePlan {
    /// The kind and place.
    pub kind: SourceKind,
    /// The expressions of `key`; several when it is a list. None: the record's bytes are its identity.
    pub key: Identity,
    /// `where:`; false leaves the record out.
    pub filter: Option<Expr>,
    /// `duplicates:`.
    pub duplicates: Duplicates,
    /// Longest record in bytes; default 1 MiB.
    pub max_record: usize,
}

impl SourcePlan {
    /// What people call it: the file's name.
    pub fn name(&self) -> String {
        let path = match &self.kind {
            SourceKind::Jsonl { path } | SourceKind::Csv { path, .. } => path.as_deref(),
            SourceKind::Sqlite { path, .. } => Some(path.as_path()),
        };
        let name = path
            .and_then(std::path::Path::file_name)
            .map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| "standard input".to_owned())
    }
}

/// What makes a record the same record in another run.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a plan holds a handful of them, and they are read for every record"
)]
pub enum Identity {
    /// `key: EXPR`.
    Key(Expr),
    /// `key: [EXPR, …]`.
    Keys(Vec<Expr>),
    /// No key: the record's own bytes.
    Content,
}

/// What happens to a record whose key has been seen in this input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// It is an ordinary record (the default), worked on after the one before it.
    Run,
    /// It counts as filtered.
    Skip,
    /// It is a dead letter.
    Dead,
}

/// Which source.
#[derive(Debug)]
pub enum SourceKind {
    /// JSON lines; `None` is standard input (`-`). Gzip by the extension `.gz`.
    Jsonl {
        /// The file.
        path: Option<PathBuf>,
    },
    /// CSV with a header.
    Csv {
        /// The file; `None` is standard input.
        path: Option<PathBuf>,
        /// How to read it.
        options: CsvOptions,
    },
    /// A query on a SQLite file, read in pages ordered by the key column.
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// The SELECT.
        query: String,
        /// The key's column in the query's result.
        key_column: String,
    },
}

/// How CSV is read.
#[derive(Debug)]
pub struct CsvOptions {
    /// Default `,`.
    pub delimiter: u8,
    /// `types:`; a column that is not named is text.
    pub types: BTreeMap<String, ColumnType>,
}

/// A type of a CSV column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// As it stands.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true`, `false`, `1`, `0`, `yes`, `no`.
    Bool,
    /// An RFC 3339 date; stays text, but must be one.
    Date,
}

/// One entry of `services:`.
#[derive(Debug)]
pub struct ServicePlan {
    /// Its name in the file.
    pub name: String,
    /// `base:`; without one the targets are whole URLs.
    pub base: Option<http::Uri>,
    /// `headers:` and `auth:`, sent with every request.
    pub headers: Vec<(http::HeaderName, Text)>,
    /// Most requests open at once; default 16.
    pub in_flight: usize,
    /// Requests a second, evenly spaced; none by default.
    pub rate: Option<f64>,
    /// The rate as the file writes it, for people.
    pub rate_text: Option<String>,
    /// Requests that may leave together after a pause; default 1.
    pub burst: u32,
    /// Per attempt; default 30 s.
    pub timeout: Duration,
    /// Repeats after the first attempt; default 4.
    pub retry: u32,
    /// First back-off; default 50 ms.
    pub retry_base: Duration,
    /// Largest back-off before jitter; default 20 s.
    pub retry_cap: Duration,
    /// How long it may stay down before the run gives up; default 10 min.
    pub patience: Duration,
    /// `breaker:`; none by default.
    pub breaker: Option<Breaker>,
    /// `hedge:`; none by default.
    pub hedge: Option<Hedge>,
    /// `queue:`; none by default: the oldest call is next, and the records in flight bound how many wait.
    pub queue: Option<Queue>,
    /// Largest answer body in bytes; default 10 MB.
    pub max_body: usize,
    /// Redirects followed within the host; default 5.
    pub redirects: usize,
    /// Hosts that a whole URL may name besides that of `base`; `["public"]`: any public address.
    pub allow: Vec<String>,
    /// `tls: { ca: FILE }`: further root certificates in PEM.
    pub tls_ca: Option<PathBuf>,
    /// `classify:`, read after a step's own.
    pub classify: Option<Classify>,
}

/// One entry of `steps:`.
#[derive(Debug)]
pub struct StepPlan {
    /// Its name: where its answer lands.
    pub name: String,
    /// Index into `services`.
    pub service: usize,
    /// Steps that must have ended before this one starts: those it mentions and those of `after`.
    pub needs: Vec<usize>,
    /// `when:`; false gives the step the value none.
    pub when: Option<Expr>,
    /// `each:`; the step's value is the list of answers, in the order of the items.
    pub each: Option<EachPlan>,
    /// `otherwise:`; the value when the step fails for good.
    pub otherwise: Option<Expr>,
    /// `classify:`.
    pub classify: Option<Classify>,
    /// GET, HEAD, OPTIONS, PUT, DELETE, or said so.
    pub idempotent: bool,
    /// Per attempt; else the service's.
    pub timeout: Option<Duration>,
    /// How the body becomes a value.
    pub as_body: AsBody,
    /// The call.
    pub call: CallPlan,
    /// `METHOD TARGET` as the file writes it, for people: never with values in it.
    pub shown: String,
}

/// `each:`.
#[derive(Debug)]
pub struct EachPlan {
    /// Gives the list.
    pub over: Expr,
    /// Most items; default 1,000.
    pub max: usize,
    /// `on_error: keep`: a failed item is none in the list; else the record is dead.
    pub keep_errors: bool,
}

/// `as:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsBody {
    /// JSON if the content type says so, or is missing or text and the body begins with `{` or `[`; else text.
    Auto,
    /// JSON or the step fails.
    Json,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// What a step does.
#[derive(Debug)]
pub enum CallPlan {
    /// An HTTP request.
    Http {
        /// The method.
        method: http::Method,
        /// Path and query, or a whole URL.
        target: Target,
        /// `query:`; a null leaves the entry out.
        query: Vec<(String, Text)>,
        /// `headers:` of the step; a null leaves the entry out.
        headers: Vec<(http::HeaderName, Text)>,
        /// `body:` or `form:`.
        body: BodyPlan,
    },
}

/// What is sent.
#[derive(Debug)]
pub enum BodyPlan {
    /// Nothing.
    None,
    /// A map or list, sent as JSON.
    Json(crate::expr::Tree),
    /// A text as it is.
    Text(Text),
    /// URL-encoded; a null leaves the entry out.
    Form(Vec<(String, Text)>),
}

/// `classify:`: first match in the order stop, fatal, throttled, transient, ok; none: the default table.
#[derive(Debug, Default)]
pub struct Classify {
    /// Ends the run.
    pub stop: Option<Match>,
    /// The record's fault.
    pub fatal: Option<Match>,
    /// Too fast.
    pub throttled: Option<Match>,
    /// Worth another attempt.
    pub transient: Option<Match>,
    /// A success.
    pub ok: Option<Match>,
}

/// A list of statuses or an expression over `status`, `headers`, `body`.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a plan holds a handful of them, and they are read for every record"
)]
pub enum Match {
    /// One of these.
    Status(Vec<u16>),
    /// True for this; a missing name makes it false.
    When(Expr),
}

/// `sink:`.
#[derive(Debug)]
pub struct SinkPlan {
    /// Where.
    pub target: SinkTarget,
    /// `row:`; none: the record with its answers.
    pub row: Option<RowPlan>,
}

/// `row:`, in the order of the file.
#[derive(Debug)]
pub struct RowPlan {
    /// Column and expression.
    pub columns: Vec<(String, Expr)>,
}

/// Where rows go.
#[derive(Debug)]
pub enum SinkTarget {
    /// JSON lines; `None` is standard output.
    Jsonl {
        /// The file.
        path: Option<PathBuf>,
        /// Whether a first run may append to a file that is not empty.
        append: bool,
    },
    /// CSV with a header.
    Csv {
        /// The file; `None` is standard output.
        path: Option<PathBuf>,
        /// Whether a first run may append to a file that is not empty.
        append: bool,
    },
    /// A table of a SQLite file.
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// The table.
        table: String,
        /// How a row goes in.
        verb: TableVerb,
        /// Make the table in a database that exists; one that does not exist gets it always.
        create: bool,
    },
}

/// How a row goes into a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableVerb {
    /// A new row.
    Insert,
    /// A new row, or new values for the row with these columns.
    Upsert(Vec<String>),
    /// New values for the row with these columns; none there: a dead letter.
    Update(Vec<String>),
}

/// `dead_letter:`.
#[derive(Debug)]
pub struct DeadLetterPlan {
    /// The JSON lines file.
    pub path: PathBuf,
}

/// `records:`.
#[derive(Debug)]
pub struct RecordsPlan {
    /// Records worked on at once; default 256.
    pub in_flight: usize,
    /// Bytes of records and answers held at once; default 16 MiB.
    pub memory: usize,
    /// Order of rows in the sink.
    pub order: Order,
    /// With `order: input`, how far reading may run ahead of the mark; default 4 × `in_flight`.
    pub window: usize,
    /// `deadline:` of one record's own calls; none by default.
    pub deadline: Option<Duration>,
}

/// `order:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they finish (the default).
    Any,
    /// As they were read.
    Input,
}
