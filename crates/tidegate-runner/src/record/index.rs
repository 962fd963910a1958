//! Which occurrence of its key a record is, and whether that one is finished: on disk, so that memory stays constant.

use crate::journal::{Finished, Identity, JournalError};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// Identities sorted and inserted at once: 16 bytes each, so about 4 MiB with the map.
const CHUNK: usize = 64 * 1024;

/// Counts identities in a temporary database that is deleted when it is closed.
///
/// Occurrences of one key are worked on in order, so that `n` finished entries are the first `n` occurrences.
#[derive(Debug)]
pub(crate) struct Index {
    connection: Connection,
}

/// What is known of a record's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The record is the n-th with its identity, from 1.
    pub(crate) occurrence: u64,
    /// An earlier run has settled it.
    pub(crate) finished: bool,
}

/// What the occurrences are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Every record is read again: the finished ones are met anew.
    FromStart,
    /// Settled records are passed over unread: they count already.
    AfterFinished,
}

impl Index {
    /// An index over the finished identities of a journal.
    pub(crate) fn build(
        mut finished: Finished<'_>,
        counting: Counting,
    ) -> Result<Index, JournalError> {
        let connection = Connection::open("")?;
        connection.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -4000;
             CREATE TABLE seen (hash BLOB PRIMARY KEY, finished INTEGER NOT NULL, met INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
        )?;
        let mut index = Index { connection };
        let mut chunk: BTreeMap<Identity, u64> = BTreeMap::new();
        while let Some(block) = finished.next_block()? {
            for hash in block.as_chunks::<16>().0 {
                *chunk.entry(*hash).or_default() += 1;
            }
            if chunk.len() >= CHUNK {
                index.add(&std::mem::take(&mut chunk), counting)?;
            }
        }
        index.add(&chunk, counting)?;
        Ok(index)
    }

    fn add(
        &mut self,
        chunk: &BTreeMap<Identity, u64>,
        counting: Counting,
    ) -> Result<(), JournalError> {
        let tx = self.connection.transaction()?;
        {
            let mut insert = tx.prepare_cached(
                "INSERT INTO seen VALUES (?1, ?2, ?3) ON CONFLICT (hash) DO UPDATE
                 SET finished = finished + excluded.finished, met = met + excluded.met",
            )?;
            for (hash, count) in chunk {
                let (finished, met) = match counting {
                    Counting::FromStart => (*count, 0),
                    Counting::AfterFinished => (0, *count),
                };
                insert.execute(params![hash, finished as i64, met as i64])?;
            }
        }
        tx.commit()?;
        Ok(())
    }

    /// Meets the next record with this identity.
    pub(crate) fn meet(&self, identity: &Identity) -> Result<Seen, JournalError> {
        let mut meet = self.connection.prepare_cached(
            "INSERT INTO seen VALUES (?1, 0, 1) ON CONFLICT (hash) DO UPDATE SET met = met + 1 RETURNING met, finished",
        )?;
        let (met, finished): (i64, i64) =
            meet.query_row(params![identity], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Seen {
            occurrence: met as u64,
            finished: met <= finished,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Journal, Progress, Settled};

    fn journal_with(identities: &[Identity]) -> (Connection, Journal) {
        let mut connection = Connection::open_in_memory().expect("memory");
        let (journal, _) = Journal::open(&mut connection, "flow", [0; 16]).expect("a journal");
        for chunk in identities.chunks(2) {
            let tx = connection.transaction().expect("a transaction");
            let progress = Progress {
                identities: chunk.concat(),
                settled: Settled::default().to_bytes(),
                ..Progress::default()
            };
            journal.apply(&tx, &progress, None).expect("applied");
            tx.commit().expect("committed");
        }
        (connection, journal)
    }

    #[test]
    fn the_first_occurrences_are_the_finished_ones() {
        let (a, b) = ([1; 16], [2; 16]);
        let (connection, journal) = journal_with(&[a, b, a]);
        let index =
            Index::build(journal.finished(&connection), Counting::FromStart).expect("an index");
        let met: Vec<_> = [a, a, a, b, b]
            .iter()
            .map(|id| index.meet(id).expect("met"))
            .collect();
        let expected = [(1, true), (2, true), (3, false), (1, true), (2, false)];
        assert_eq!(
            met,
            expected.map(|(occurrence, finished)| Seen {
                occurrence,
                finished
            })
        );
    }

    #[test]
    fn occurrences_go_on_after_finished_ones_that_are_not_read_again() {
        let (a, b) = ([1; 16], [2; 16]);
        let (connection, journal) = journal_with(&[a, a, b]);
        let index =
            Index::build(journal.finished(&connection), Counting::AfterFinished).expect("an index");
        assert_eq!(
            index.meet(&a).expect("met"),
            Seen {
                occurrence: 3,
                finished: false
            }
        );
        assert_eq!(
            index.meet(&b).expect("met"),
            Seen {
                occurrence: 2,
                finished: false
            }
        );
    }
}
