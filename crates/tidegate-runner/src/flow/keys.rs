//! Which keys there are: the reader refuses what these tables do not hold, and the schema is made from them.

mod service;

pub(crate) use service::{AUTH, BASIC, BREAKER, CLASSIFY, HEDGE, QUEUE, RETRY, SERVICE, SLOW, TLS};

/// The keys of one kind of map.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its name in the schema.
    pub(crate) id: &'static str,
    /// What has these keys, as a message names it.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) keys: &'static [Key],
    /// Keys of later versions, refused until then so that nobody's file breaks.
    pub(crate) later: &'static [&'static str],
    /// Whether other keys mean something too.
    pub(crate) others: Others,
}

/// What a key is that a table does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    Refused,
    /// The name of a service: `api: GET /users/{{ id }}`.
    Call,
    /// As `Call`, in a later version; its reader refuses it in its own words.
    CallLater,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// As the file would write it; none when absence means absence.
    pub(crate) default: Option<&'static str>,
    /// What it says, and why its default is what it is.
    pub(crate) about: &'static str,
    /// A value that is right, as YAML.
    pub(crate) example: &'static str,
}

/// What a value looks like.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A text in which `{{ expression }}` may stand.
    Text,
    /// A bare expression, or a map or list of expressions.
    Expr,
    /// A fixed text without placeholders.
    Word,
    /// One of these.
    OneOf(&'static [&'static str]),
    Bool,
    /// `false`, beside something else.
    False,
    /// A whole number, at least this.
    Count(u64),
    Duration,
    Size,
    Rate,
    /// `50%`.
    Share,
    /// `p95`.
    Percentile,
    /// Any YAML whose texts may hold placeholders.
    Tree,
    /// Names to texts.
    Texts,
    /// Names to expressions.
    Exprs,
    /// Names to values of any kind.
    Values,
    /// Names to the words given.
    Words(&'static [&'static str]),
    /// Names to maps with the keys of a table.
    Named(&'static Table),
    /// A map with the keys of a table.
    Map(&'static Table),
    /// One or several.
    Many(&'static Shape),
    /// HTTP statuses.
    Statuses,
    /// This or that.
    Either(&'static [Shape]),
    /// Only this value.
    Exactly(u64),
}

const fn key(name: &'static str, shape: Shape, about: &'static str, example: &'static str) -> Key {
    Key {
        name,
        shape,
        default: None,
        about,
        example,
    }
}

impl Key {
    const fn or(self, default: &'static str) -> Key {
        Key {
            name: self.name,
            shape: self.shape,
            default: Some(default),
            about: self.about,
            example: self.example,
        }
    }
}

pub(crate) static FLOW: Table = Table {
    id: "flow",
    name: "a flow file",
    about: "A whole job: where records come from, what is asked for each, where the results go.",
    others: Others::Refused,
    later: &["cursor", "sources", "sinks", "imports", "schedule", "cache"],
    keys: &[
        key("version", Shape::Exactly(1), "Version of the file format.", "1").or("1"),
        key("name", Shape::Word, "Which journal is this flow's; default: the file's canonical path, so that a moved file needs a name.", "nightly"),
        key("rerun", Shape::OneOf(&["new", "all"]), "What a second run of a finished flow does: only records not seen before, or all again. An unfinished run goes on in either case. Default new: nothing is paid for twice.", "all").or("new"),
        key("vars", Shape::Values, "Values for `vars.NAME`; `--set NAME=VALUE` changes them for one run.", "{ day: \"2026-11-22\" }"),
        key("records", Shape::Map(&RECORDS), "Limits over records.", "{ in_flight: 64 }"),
        key("source", Shape::Map(&SOURCE), "Where records come from.", "{ jsonl: users.jsonl, key: id }"),
        key("services", Shape::Named(&SERVICE), "Remote dependencies by name, each with its limits.", "{ api: { base: \"https://api.example.com\", rate: 100/s } }"),
        key("steps", Shape::Named(&STEP), "What is asked for each record; a step's name is where its answer lands.", "{ user: { api: \"GET /users/{{ id }}\" } }"),
        key("sink", Shape::Map(&SINK), "Where results go; without one a record is done when its steps are.", "{ jsonl: out.jsonl }"),
        key("dead_letter", Shape::Map(&DEAD_LETTER), "A file that shows the dead letters; the journal holds them in any case.", "{ jsonl: dead.jsonl }"),
    ],
};

pub(crate) static RECORDS: Table = Table {
    id: "records",
    name: "`records`",
    about: "Limits over records.",
    others: Others::Refused,
    later: &["per"],
    keys: &[
        key("in_flight", Shape::Count(1), "Records worked on at once. Default 256: enough to keep a service with 64 places busy through slow answers.", "64").or("256"),
        key("memory", Shape::Size, "Bytes of records and answers held at once; memory does not grow with the input. Default 16MiB: 256 records of 64 KiB.", "64MiB").or("16MiB"),
        key("order", Shape::OneOf(&["any", "input"]), "Order of rows in the sink. Default any: one slow record holds nobody up.", "input").or("any"),
        key("window", Shape::Count(1), "With `order: input`, how many records reading may run ahead of the oldest unfinished one. Default 4 × in_flight.", "2048"),
        key("deadline", Shape::Duration, "Time for one record's own requests: its clock runs only while at least one of them is open. Queues, pauses, outages and back-off are not charged. None by default: attempts × timeout bounds every record.", "10m"),
    ],
};

pub(crate) static STEP: Table = Table {
    id: "step",
    name: "a step",
    about: "One call: `SERVICE: METHOD TARGET` and what goes with it.",
    others: Others::Call,
    later: &["items", "next", "pages", "cost", "spent", "remember", "jq", "secret", "save", "per", "cache", "fallback", "run"],
    keys: &[
        key("query", Shape::Texts, "Parameters behind `?`; a null leaves one out.", "{ limit: 100, q: \"{{ name }}\" }"),
        key("headers", Shape::Texts, "Sent with this step's requests; a null leaves one out.", "{ Accept: text/plain }"),
        key("body", Shape::Tree, "A map or list is sent as JSON, a text as it is.", "{ id: \"{{ id }}\" }"),
        key("form", Shape::Texts, "Sent URL-encoded; a null leaves an entry out.", "{ name: \"{{ name }}\" }"),
        key("as", Shape::OneOf(&["auto", "json", "text", "bytes"]), "How the body becomes a value. Default auto: JSON if the content type says so, or is missing or text and the body begins with `{` or `[`.", "json").or("auto"),
        key("when", Shape::Expr, "False: the step is skipped and its value is none.", "active == true"),
        key("each", Shape::Either(&[Shape::Expr, Shape::Map(&EACH)]), "One call for each item of a list, as `item` and `index`; the value is the list of answers.", "user.orders"),
        key("after", Shape::Many(&Shape::Word), "Steps to wait for although none of their values is used.", "login"),
        key("otherwise", Shape::Expr, "The value when the step fails for good; without it the record is a dead letter.", "none"),
        key("classify", Shape::Map(&CLASSIFY), "What an answer means, where the default table is wrong.", "{ ok: [404] }"),
        key("idempotent", Shape::Bool, "Whether the call may be repeated when nobody knows if it arrived. Default: by the method, as HTTP says.", "true"),
        key("timeout", Shape::Duration, "For one attempt; default: the service's.", "5s"),
    ],
};

pub(crate) static EACH: Table = Table {
    id: "each",
    name: "`each`",
    about: "A fan-out over a list.",
    others: Others::Refused,
    later: &["in_flight", "key"],
    keys: &[
        key("over", Shape::Expr, "The list.", "user.orders"),
        key("on_error", Shape::OneOf(&["fail", "keep"]), "What a failed item does. Default fail: the record is a dead letter; keep: the item is none in the list.", "keep").or("fail"),
        key("max", Shape::Count(1), "Most items; more make the record a dead letter. Default 1000: a list that grew by mistake sends no million requests.", "50").or("1000"),
    ],
};

pub(crate) static SOURCE: Table = Table {
    id: "source",
    name: "`source`",
    about: "One of `jsonl`, `csv` and `sqlite`, and how to read it. `-` is standard input.",
    others: Others::CallLater,
    later: &["items", "next", "pages", "cursor", "files", "postgres", "nats", "kafka", "redis", "amqp", "secret", "run"],
    keys: &[
        key("jsonl", Shape::Text, "A file with one JSON value a line; `.gz` is read too.", "users.jsonl"),
        key("csv", Shape::Text, "A CSV file with a header; `.gz` is read too.", "users.csv"),
        key("sqlite", Shape::Text, "A SQLite file, read by `query`.", "app.db"),
        key("query", Shape::Word, "The SELECT, read in pages ordered by the key.", "SELECT id, name FROM users"),
        key("key", Shape::Many(&Shape::Expr), "What makes a record the same record in another run. Default: its bytes, so an edited record counts as a new one.", "id"),
        key("where", Shape::Expr, "Records for which it is false are left out and counted as skipped.", "active == true"),
        key("duplicates", Shape::OneOf(&["run", "skip", "dead"]), "What a record is whose key has been seen in this input. Default run: an ordinary record, worked on after the one before it.", "skip").or("run"),
        key("max_record", Shape::Size, "Longest record; a longer one is a dead letter. Default 1MiB: a file without line ends is noticed at once.", "8MiB").or("1MiB"),
        key("types", Shape::Words(&["text", "int", "float", "bool", "date"]), "Types of CSV columns. Without one a column is text: `007` stays `007`.", "{ spend: float }"),
        key("delimiter", Shape::Word, "One byte between CSV fields.", "\";\"").or(","),
        key("encoding", Shape::OneOf(&["utf-8"]), "Encoding of the file.", "utf-8").or("utf-8"),
        key("header", Shape::Bool, "Whether a CSV file starts with the names of its columns; it must.", "true").or("true"),
    ],
};

pub(crate) static SINK: Table = Table {
    id: "sink",
    name: "`sink`",
    about: "One of `jsonl`, `csv` and `sqlite`, and what goes in. `-` is standard output.",
    others: Others::Refused,
    later: &["each", "postgres", "nats", "kafka", "redis", "amqp", "secret", "subject", "topic"],
    keys: &[
        key("jsonl", Shape::Text, "A file with one JSON object a line; `.gz` compresses.", "out.jsonl"),
        key("csv", Shape::Text, "A CSV file with a header; `.gz` compresses.", "out.csv"),
        key("sqlite", Shape::Text, "A SQLite file.", "out.db"),
        key("insert", Shape::Word, "`TABLE`: a new row for each record.", "users"),
        key("upsert", Shape::Word, "`TABLE(KEY, …)`: a new row, or new values for the row with this key.", "users(id)"),
        key("update", Shape::Word, "`TABLE(KEY, …)`: new values for the row with this key; none there: a dead letter.", "users(id)"),
        key("row", Shape::Exprs, "Columns and their expressions, in this order. Default: the record with its answers.", "{ id: id, name: user.name }"),
        key("create", Shape::Bool, "Make the table in a database that holds others. Default false: a mistyped name makes no table.", "true").or("false"),
        key("append", Shape::Bool, "Whether a first run may add to a file that is not empty. Default false: two jobs do not mix.", "true").or("false"),
    ],
};

pub(crate) static DEAD_LETTER: Table = Table {
    id: "dead_letter",
    name: "`dead_letter`",
    about: "A file that shows the dead letters.",
    others: Others::Refused,
    later: &["csv", "sqlite", "postgres", "nats"],
    keys: &[key(
        "jsonl",
        Shape::Text,
        "The file, one dead letter a line.",
        "dead.jsonl",
    )],
};

impl Table {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }

    pub(crate) fn is_later(&self, name: &str) -> bool {
        self.later.contains(&name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    pub(crate) fn default_of(&self, name: &str) -> &'static str {
        let key = self.keys.iter().find(|key| key.name == name);
        key.and_then(|key| key.default)
            .expect("every key that is read with a default has one in its table")
    }
}
