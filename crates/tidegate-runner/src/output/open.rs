//! Opening what a run writes to: the lease, the journal, the sink and the dead-letter file, in this order.

use super::{Shape, commit::Target, dead_file::DeadFile};
use crate::{
    journal::{FlowState, Journal, JournalError, Lease, LeaseError, OutputMark, Phase},
    plan::{Plan, Rerun, SinkTarget, TableVerb},
};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use tidegate_file::{LastChunk, Opening, OutError, OutFile};
use tidegate_sql::{Access, SqlError, Table, TableSpec, Verb};

/// Where a flow's journal lives.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The database.
    pub(crate) database: PathBuf,
    /// The lock file.
    pub(crate) lock: PathBuf,
}

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another run has it, or the lock file cannot be made.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The sink's database cannot be used.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The output file is not what the journal says.
    #[error("{}", with_source(.0))]
    File(#[from] OutError),
    /// The dead-letter file holds something that this flow did not write.
    #[error("`{}` is not empty and not of this flow's making; move it away or name another file in `dead_letter`", .0.display())]
    ForeignDeadFile(PathBuf),
    /// The dead-letter file cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    DeadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The flow means something else than when the run began.
    #[error(
        "the flow was changed since its run began ({settled} records are settled): its source, key, steps, row or sink differ; \
         go on with --accept-flow-change, or start over with --fresh"
    )]
    FlowChanged {
        /// Records that the journal counts as settled.
        settled: u64,
    },
    /// The file that a run goes on with has other columns.
    #[error(
        "`{}` begins with other columns than a row has now, as those of the source have changed; \
         name the columns in `row:`, or start over with --fresh", .0.display()
    )]
    OtherColumns(PathBuf),
    /// A sink with columns, but neither the flow nor the source names them.
    #[error("the sink needs `row:` to know its columns, as the source has none")]
    NoColumns,
}

fn with_source(error: &OutError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What the flags of `run` say about the journal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Forget what is known and start over.
    pub(crate) fresh: bool,
    /// Go on although the flow means something else.
    pub(crate) accept_flow_change: bool,
    /// The source is read: a finished flow with `rerun: all` starts over.
    pub(crate) reads_source: bool,
}

/// Everything open, before the first record.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) lease: Lease,
    pub(crate) connection: Connection,
    pub(crate) journal: Journal,
    pub(crate) state: FlowState,
    pub(crate) target: Target,
    pub(crate) dead_file: Option<DeadFile>,
    /// The output file as it is before this journal writes to it for the first time: written down before the first byte, so
    /// that a first commit that is cut short can be cut back.
    pub(crate) first_output: Option<OutputMark>,
    /// The output can be cut back: a row comes once.
    pub(crate) exactly_once: bool,
    /// What the user should know, in lines.
    pub(crate) notes: Vec<String>,
}

/// Finds the journal of a plan; `state` is `--state`.
pub(crate) fn place(plan: &Plan, state: Option<&Path>) -> Place {
    let slug = slug(&plan.name);
    let beside = |file: &Path| file.parent().unwrap_or(Path::new("")).join(".tidegate");
    if let Some(SinkTarget::Sqlite { path, .. }) = plan.sink.as_ref().map(|sink| &sink.target) {
        let lock = beside(path).join(format!("{slug}.lock"));
        return Place {
            database: path.clone(),
            lock,
        };
    }
    let folder = state.map_or_else(|| beside(&plan.file), Path::to_owned);
    Place {
        database: folder.join(format!("{slug}.journal")),
        lock: folder.join(format!("{slug}.lock")),
    }
}

/// A file name for a flow's name: what can be read of it, and a hash that keeps two flows apart.
fn slug(name: &str) -> String {
    let stem = Path::new(name)
        .file_stem()
        .map(|stem| stem.to_string_lossy())
        .unwrap_or_default();
    let readable: String = stem
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .take(40)
        .collect();
    format!(
        "{readable}-{}",
        &blake3::hash(name.as_bytes()).to_hex()[..8]
    )
}

/// Opens everything that a run writes to.
pub(crate) fn open(
    plan: &Plan,
    shape: &Shape,
    place: &Place,
    manner: Manner,
) -> Result<Opened, OpenError> {
    let lease = Lease::take(&place.lock)?;
    let mut connection = tidegate_sql::open(&place.database, Access::Create)?;
    let is_new_database = is_empty(&connection)?;
    let (journal, mut state) = Journal::open(&mut connection, &plan.name, plan.meaning)?;
    let mut notes = Vec::new();
    let over = manner.reads_source && state.phase == Phase::Finished && plan.rerun == Rerun::All;
    if (manner.fresh || over) && !state.is_new {
        for path in [
            output_path(plan),
            plan.dead_letter.as_ref().map(|dead| dead.path.as_path()),
        ]
        .into_iter()
        .flatten()
        {
            if let Some(kept) = tidegate_file::rotate(path)? {
                notes.push(format!("{} is kept as {}", path.display(), kept.display()));
            }
        }
        state = journal.forget(&mut connection)?;
    }
    let settled = state.settled.count();
    let changed = state.meaning != plan.meaning;
    if changed && (settled > 0 || state.done > 0) && !manner.accept_flow_change {
        return Err(OpenError::FlowChanged {
            settled: settled.max(state.done),
        });
    }
    let target = open_target(plan, shape, &connection, &state, is_new_database)?;
    let exactly_once = target.is_exactly_once();
    let first_output = target.untouched(&state);
    let dead_file = plan
        .dead_letter
        .as_ref()
        .map(|dead| DeadFile::open(&dead.path, &connection, &journal, state.dead_file))
        .transpose()?;
    Ok(Opened {
        lease,
        connection,
        journal,
        state,
        target,
        dead_file,
        first_output,
        exactly_once,
        notes,
    })
}

fn output_path(plan: &Plan) -> Option<&Path> {
    match &plan.sink.as_ref()?.target {
        SinkTarget::Jsonl { path, .. } | SinkTarget::Csv { path, .. } => path.as_deref(),
        SinkTarget::Sqlite { .. } => None,
    }
}

fn open_target(
    plan: &Plan,
    shape: &Shape,
    connection: &Connection,
    state: &FlowState,
    is_new_database: bool,
) -> Result<Target, OpenError> {
    let Some(sink) = &plan.sink else {
        return Ok(Target::Nothing);
    };
    match &sink.target {
        SinkTarget::Jsonl { path, append } => open_file(path.as_deref(), *append, None, state),
        SinkTarget::Csv { path, append } => {
            if shape.columns().is_empty() {
                return Err(OpenError::NoColumns);
            }
            open_file(path.as_deref(), *append, shape.header(), state)
        }
        SinkTarget::Sqlite {
            table,
            verb,
            create,
            ..
        } => {
            if shape.columns().is_empty() {
                return Err(OpenError::NoColumns);
            }
            let verb = match verb {
                TableVerb::Insert => Verb::Insert,
                TableVerb::Upsert(key) => Verb::Upsert(key.clone()),
                TableVerb::Update(key) => Verb::Update(key.clone()),
            };
            let spec = TableSpec {
                table: table.clone(),
                columns: shape.columns().to_vec(),
                verb,
                make: *create || is_new_database,
            };
            Ok(Target::Table(Table::open(connection, spec)?))
        }
    }
}

/// Whether a file can be read and has not this header. A compressed one is taken at its word.
fn begins_otherwise(path: &Path, header: &[u8]) -> bool {
    let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
    !is_gzip
        && tidegate_file::tail(path, header.len() as u64, header.len())
            .is_ok_and(|found| found != header)
}

fn open_file(
    path: Option<&Path>,
    append: bool,
    header: Option<Vec<u8>>,
    state: &FlowState,
) -> Result<Target, OpenError> {
    let path = path.unwrap_or(Path::new("-"));
    let known_as = known_as(path);
    let mark = state.output.as_ref().filter(|mark| mark.path == known_as);
    let file = match mark {
        None => OutFile::open(path, Opening::New { append })?,
        Some(mark) => {
            let begun = header.as_deref().filter(|_| !append && mark.len > 0);
            if begun.is_some_and(|header| begins_otherwise(path, header)) {
                return Err(OpenError::OtherColumns(path.to_owned()));
            }
            let is_same = |bytes: &[u8]| super::commit::chunk_hash(bytes) == mark.hash;
            // Without a hash the last chunk began with something of another writer's.
            let last = (!mark.hash.is_empty()).then_some(LastChunk {
                from: mark.from,
                is_same: &is_same,
            });
            let clean = state.phase != Phase::Running;
            OutFile::open(
                path,
                Opening::Resume {
                    len: mark.len,
                    last,
                    clean,
                },
            )?
        }
    };
    Ok(Target::File {
        file: Box::new(file),
        header,
        known_as,
    })
}

/// The same file by the same name, from wherever the run is started.
fn known_as(path: &Path) -> String {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name).display().to_string(),
        _ => path.display().to_string(),
    }
}

/// Whether the database holds nothing but journals: then it is ours to make tables in.
fn is_empty(connection: &Connection) -> Result<bool, OpenError> {
    let others = r"SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table'
                  AND name NOT LIKE 'tidegate\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\')";
    Ok(connection
        .query_row(others, [], |row| row.get(0))
        .map_err(JournalError::from)?)
}
