//! What is known of a flow, and what a commit adds to it.

use super::{Corrupt, DeadLetter, DeadState, Identity, NewDead, Settled, store::VERSION};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

/// Everything that is known of a flow when it is opened.
#[derive(Clone, Debug)]
pub struct FlowState {
    /// Survives resumes; a part of every idempotency key.
    pub journal: [u8; 16],
    /// Hash over what the flow meant when the run began.
    pub meaning: [u8; 16],
    /// How far it has come.
    pub phase: Phase,
    /// When it stopped or finished, as RFC 3339.
    pub ended: Option<String>,
    /// The run's name, the same after a resume.
    pub run: String,
    /// When the run began, as RFC 3339.
    pub started: String,
    /// The settled positions.
    pub settled: Settled,
    /// Where the first unsettled one is.
    pub mark: Mark,
    /// Records whose work is in the sink.
    pub done: u64,
    /// Outstanding dead letters.
    pub dead: u64,
    /// Records that `where` left out.
    pub filtered: u64,
    /// The source, if it has a fingerprint.
    pub source: Option<SourceMark>,
    /// The output file.
    pub output: Option<OutputMark>,
    /// Whether the dead-letter file is of this journal's making.
    pub dead_file: bool,
    /// Whether this open has made the entry.
    pub is_new: bool,
}

/// How far a flow's run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A run is active, or was killed.
    Running,
    /// Stopped before its end, in order.
    Stopped,
    /// Every record is settled.
    Finished,
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Running => "running",
            Phase::Stopped => "stopped",
            Phase::Finished => "finished",
        }
    }

    fn parse(name: &str) -> Result<Phase, Corrupt> {
        match name {
            "running" => Ok(Phase::Running),
            "stopped" => Ok(Phase::Stopped),
            "finished" => Ok(Phase::Finished),
            _ => Err(Corrupt),
        }
    }
}

/// Where reading goes on: the first position that is not settled, in bytes and lines of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Bytes before it (uncompressed).
    pub offset: u64,
    /// Its line, from 1.
    pub line: u64,
}

impl Default for Mark {
    fn default() -> Self {
        Mark { offset: 0, line: 1 }
    }
}

/// What the source looked like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMark {
    /// Device and inode, size in bytes and time of change in nanoseconds.
    pub device: u64,
    /// See `device`.
    pub inode: u64,
    /// See `device`.
    pub size: u64,
    /// See `device`.
    pub mtime_ns: i128,
    /// Hash of the last 64 KiB before the mark; known once a run has ended in order.
    pub tail: Option<String>,
}

/// How long the output file was at the last commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputMark {
    /// Its path, as the flow gives it.
    pub path: String,
    /// Bytes on disk that are accounted for.
    pub len: u64,
    /// Where the last commit's bytes begin.
    pub from: u64,
    /// Their hash.
    pub hash: String,
}

/// What one commit adds.
#[derive(Debug, Default)]
pub struct Progress {
    /// All settled positions after it ([`Settled::to_bytes`]).
    pub settled: Vec<u8>,
    /// Where the first unsettled one is.
    pub mark: Mark,
    /// Identities that it settles, 16 bytes each.
    pub identities: Vec<u8>,
    /// Records that became done.
    pub done: u64,
    /// Records that were left out.
    pub filtered: u64,
    /// Records that became dead.
    pub dead: Vec<NewDead>,
    /// Retried dead letters that are done now.
    pub revived: Vec<i64>,
    /// Retried dead letters that are dead again.
    pub dead_again: Vec<(i64, NewDead)>,
}

/// How a run begins; see [`Journal::begin`](super::Journal::begin).
#[derive(Debug)]
pub struct Begin<'a> {
    /// Hash over what the flow means.
    pub meaning: [u8; 16],
    /// The source's fingerprint.
    pub source: Option<&'a SourceMark>,
    /// The output file before the first commit of this journal; none if an earlier one has written to it.
    pub output: Option<&'a OutputMark>,
    /// Whether the dead-letter file is of this journal's making.
    pub dead_file: bool,
    /// Dead letters of unterminated last lines are forgotten, as the run reads those lines again.
    pub reads_source: bool,
    /// Positions start from 0 again: the input is another one, and records are matched by identity.
    pub count_anew: bool,
    /// Name and start of a run that is not a resumed one.
    pub new_run: Option<(&'a str, &'a str)>,
}

/// A dead letter as it is stored.
#[derive(Clone, Debug)]
pub struct StoredDead {
    /// Its number.
    pub id: i64,
    /// What is to happen with it.
    pub state: DeadState,
    /// How often it was retried by `dead retry`.
    pub generation: u32,
    /// The record's identity.
    pub identity: Option<Identity>,
    /// The record's number in the source.
    pub position: u64,
    /// The record's bytes.
    pub record: Vec<u8>,
    /// What it says.
    pub letter: DeadLetter,
}

/// Why the journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The database refuses.
    #[error("the journal cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// What it holds was not written by this program.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// A stored text is not the JSON that this program writes.
    #[error("the journal holds a damaged entry: {0}")]
    Json(#[from] serde_json::Error),
    /// Another runner has taken the journal over.
    #[error("another run has taken over the journal of this flow; this one stops")]
    LeaseLost,
    /// Made by another version.
    #[error(
        "the journal has version {found}, this program writes version {VERSION}; use the program that began the run, or --fresh with another --state"
    )]
    Version {
        /// What the file says.
        found: i64,
    },
}

pub(super) fn read_state(connection: &Connection, flow: i64) -> Result<FlowState, JournalError> {
    let mut statement = connection.prepare(
        "SELECT journal, meaning, phase, ended, run, started, settled, mark_offset, mark_line, done, dead, filtered, source, output,
         dead_file FROM tidegate_flow WHERE id = ?1",
    )?;
    let mut rows = statement.query([flow])?;
    let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let settled: Vec<u8> = row.get(6)?;
    let source: Option<String> = row.get(12)?;
    let output: Option<String> = row.get(13)?;
    let count = |index| Ok::<u64, rusqlite::Error>(row.get::<_, i64>(index)?.max(0) as u64);
    Ok(FlowState {
        journal: row.get(0)?,
        meaning: row.get(1)?,
        phase: Phase::parse(&row.get::<_, String>(2)?)?,
        ended: row.get(3)?,
        run: row.get(4)?,
        started: row.get(5)?,
        settled: Settled::from_bytes(&settled)?,
        mark: Mark {
            offset: count(7)?,
            line: count(8)?,
        },
        done: count(9)?,
        dead: count(10)?,
        filtered: count(11)?,
        source: source.map(|text| serde_json::from_str(&text)).transpose()?,
        output: output.map(|text| serde_json::from_str(&text)).transpose()?,
        dead_file: row.get(14)?,
        is_new: false,
    })
}
