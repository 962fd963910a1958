//! One commit: rows, dead letters and progress, so that what the journal says has happened has happened.

use super::{DeadFile, Row, letter};
use crate::{
    call::Death,
    journal::{FlowState, Identity, Journal, JournalError, Mark, NewDead, OutputMark, Progress},
    record::Record,
};
use rusqlite::{Connection, TransactionBehavior};
use tidegate_file::{OutError, OutFile, Sync};
use tidegate_sql::{SqlError, Table, WriteError};

/// What rows go to.
#[derive(Debug)]
pub(crate) enum Target {
    /// Nothing: a record is done when its steps are.
    Nothing,
    /// A file, cut back to its journalled length on resume.
    File {
        file: Box<OutFile>,
        /// The first line of an empty CSV file.
        header: Option<Vec<u8>>,
        /// Its path, the same from every working directory.
        known_as: String,
    },
    /// A table in the journal's own database: rows and progress are one transaction.
    Table(Table),
}

impl Target {
    /// Whether a row comes once, also after a crash.
    pub(super) fn is_exactly_once(&self) -> bool {
        match self {
            Target::Nothing => false,
            Target::File { file, .. } => file.is_resumable(),
            Target::Table(_) => true,
        }
    }

    /// The mark of a file that this journal has not written to.
    pub(super) fn untouched(&self, state: &FlowState) -> Option<OutputMark> {
        let Target::File { file, known_as, .. } = self else {
            return None;
        };
        let known = state
            .output
            .as_ref()
            .is_some_and(|mark| mark.path == *known_as);
        (!known && file.is_resumable()).then(|| OutputMark {
            path: known_as.clone(),
            len: file.len(),
            from: file.len(),
            hash: chunk_hash(b""),
        })
    }
}

/// What the engine asks to be made durable.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    /// All settled positions after it.
    pub(crate) settled: Vec<u8>,
    pub(crate) mark: Mark,
    pub(crate) rows: Vec<(Row, RowRef)>,
    pub(crate) dead: Vec<Dying>,
    pub(crate) filtered: u64,
    /// Bytes of the run's memory that it frees.
    pub(crate) weight: usize,
}

/// What is known of a finished record beside its row.
#[derive(Debug)]
pub(crate) struct RowRef {
    pub(crate) identity: Identity,
    pub(crate) retry_of: Option<i64>,
    /// Bytes of the run's memory that record and row hold.
    pub(crate) weight: usize,
    /// Kept where the sink may refuse the row.
    pub(crate) record: Option<Box<Record>>,
}

/// A record that becomes a dead letter.
#[derive(Debug)]
pub(crate) struct Dying {
    pub(crate) new: NewDead,
    pub(crate) retry_of: Option<i64>,
    /// Bytes of the run's memory that the record holds.
    pub(crate) weight: usize,
}

/// What a commit has changed.
#[derive(Debug, Default)]
pub(crate) struct Receipt {
    pub(crate) done: u64,
    pub(crate) dead: u64,
    /// Of `done` and `dead`: records that were dead letters before.
    pub(crate) retried: u64,
    pub(crate) weight: usize,
    /// Why the letters, durable in the journal, could not be shown in the dead-letter file. The next run makes it good.
    pub(crate) dead_file: Option<String>,
    /// Rows that the sink refused: cause, key and line.
    pub(crate) refused: Vec<(String, Option<String>, u64)>,
}

/// Why nothing of a commit became durable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error("{}{}", .0, cause(.0))]
    File(#[from] OutError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Sink(WriteError),
    #[error("cannot write the dead-letter file: {0}")]
    DeadFile(std::io::Error),
}

fn cause(error: &OutError) -> String {
    std::error::Error::source(error)
        .map(|source| format!(": {source}"))
        .unwrap_or_default()
}

/// Everything that the writer's thread owns.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) connection: Connection,
    pub(crate) journal: Journal,
    pub(crate) target: Target,
    pub(crate) dead_file: Option<DeadFile>,
    /// Letters in the dead-letter file are no longer those of the journal.
    pub(crate) stale_letters: bool,
}

impl Store {
    /// Makes a commit durable. On an error nothing of it is in the journal, and what is in a file beyond its journalled
    /// length is cut off by the next run.
    pub(crate) fn commit(&mut self, commit: Commit) -> Result<Receipt, CommitError> {
        let Commit {
            settled,
            mark,
            rows,
            dead,
            filtered,
            weight,
        } = commit;
        let mut progress = Progress {
            settled,
            mark,
            filtered,
            ..Progress::default()
        };
        let mut receipt = Receipt {
            weight,
            ..Receipt::default()
        };
        for Dying { new, retry_of, .. } in dead {
            bury(&mut progress, &mut receipt, new, retry_of);
        }
        let output = match &mut self.target {
            Target::File {
                file,
                header,
                known_as,
            } => write_rows(file, header.as_deref(), known_as, &rows)?,
            Target::Nothing | Target::Table(_) => None,
        };
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(JournalError::from)?;
        for (row, about) in rows {
            if let (Target::Table(table), Row::Cells(cells)) = (&self.target, &row) {
                match table.write(&tx, cells) {
                    Ok(()) => {}
                    Err(WriteError::Refused(why)) => {
                        let record = about.record.expect("a table's rows keep their records");
                        let cause = format!("the sink refuses the row: {why}");
                        receipt.refused.push((
                            cause.clone(),
                            record.key.as_deref().map(str::to_owned),
                            record.start.line,
                        ));
                        let new = letter::of_record(
                            &record,
                            &Death {
                                cause,
                                ..Death::default()
                            },
                            None,
                        );
                        bury(&mut progress, &mut receipt, new, about.retry_of);
                        continue;
                    }
                    Err(WriteError::Failed(error)) => return Err(error.into()),
                    Err(error) => return Err(CommitError::Sink(error)),
                }
            }
            receipt.done += 1;
            match about.retry_of {
                // Its identity was settled when it died.
                Some(id) => {
                    receipt.retried += 1;
                    progress.revived.push(id);
                }
                None => progress.identities.extend_from_slice(&about.identity),
            }
        }
        progress.done = receipt.done;
        self.journal.apply(&tx, &progress, output.as_ref())?;
        tx.commit().map_err(JournalError::from)?;
        self.stale_letters |= !progress.revived.is_empty() || !progress.dead_again.is_empty();
        if let Some(file) = &mut self.dead_file {
            let appended = file.append(progress.dead.iter().map(|dead| &dead.letter));
            receipt.dead_file = appended.err().map(|error| error.to_string());
        }
        Ok(receipt)
    }
}

fn bury(progress: &mut Progress, receipt: &mut Receipt, new: NewDead, retry_of: Option<i64>) {
    receipt.dead += 1;
    match retry_of {
        Some(id) => {
            receipt.retried += 1;
            progress.dead_again.push((id, new));
        }
        None => {
            // A provisional one is judged again by the next run, so it is not finished.
            if let Some(identity) = new.identity.filter(|_| !new.provisional) {
                progress.identities.extend_from_slice(&identity);
            }
            progress.dead.push(new);
        }
    }
}

fn write_rows(
    file: &mut OutFile,
    header: Option<&[u8]>,
    known_as: &str,
    rows: &[(Row, RowRef)],
) -> Result<Option<OutputMark>, OutError> {
    let mut bytes = Vec::new();
    if let Some(header) = header.filter(|_| file.is_blank()) {
        bytes.extend_from_slice(header);
    }
    for (row, _) in rows {
        if let Row::Line(line) = row {
            bytes.extend_from_slice(line);
        }
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    let from = file.len();
    file.write(&bytes)?;
    let len = file.commit(Sync::None)?;
    // The first chunk behind a torn line of somebody else's begins with the end of that line.
    let is_ours = file.is_compressed() || len - from == bytes.len() as u64;
    let mark = OutputMark {
        path: known_as.to_owned(),
        len,
        from,
        hash: if is_ours {
            chunk_hash(&bytes)
        } else {
            String::new()
        },
    };
    Ok(file.is_resumable().then_some(mark))
}

/// The hash by which a resumed run knows the last chunk of its output.
pub(super) fn chunk_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}
