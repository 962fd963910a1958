//! The journal's tables, and the one statement per commit that moves a flow on.

use super::{
    DeadState, NewDead, Settled,
    state::{
        Begin, FlowState, JournalError, OutputMark, Phase, Progress, SourceMark, StoredDead,
        read_state,
    },
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// The version of the tables; another one is refused, not guessed at.
pub(super) const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS tidegate_version (version INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tidegate_flow (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    journal BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    meaning BLOB NOT NULL,
    phase TEXT NOT NULL,
    ended TEXT,
    run TEXT NOT NULL,
    started TEXT NOT NULL,
    mark_offset INTEGER NOT NULL DEFAULT 0,
    mark_line INTEGER NOT NULL DEFAULT 1,
    settled BLOB NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    filtered INTEGER NOT NULL DEFAULT 0,
    source TEXT,
    output TEXT,
    dead_file INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS tidegate_finished (
    id INTEGER PRIMARY KEY, flow INTEGER NOT NULL, hashes BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS tidegate_dead (
    id INTEGER PRIMARY KEY,
    flow INTEGER NOT NULL,
    state TEXT NOT NULL,
    provisional INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    identity BLOB,
    position INTEGER NOT NULL,
    record BLOB NOT NULL,
    letter TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS tidegate_dead_flow ON tidegate_dead (flow, state);
";

/// One flow's journal in an open database.
#[derive(Clone, Copy, Debug)]
pub struct Journal {
    flow: i64,
    epoch: i64,
}

/// The identities that are finished, block by block.
#[derive(Debug)]
pub struct Finished<'c> {
    connection: &'c Connection,
    flow: i64,
    last: i64,
}

impl Journal {
    /// Opens the journal of the flow called `name`, making tables and entry where missing, and takes the next epoch.
    ///
    /// # Errors
    /// [`JournalError`] if the database refuses or holds something else.
    pub fn open(
        connection: &mut Connection,
        name: &str,
        meaning: [u8; 16],
    ) -> Result<(Journal, FlowState), JournalError> {
        let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        tx.execute_batch(TABLES)?;
        match tx
            .query_row("SELECT version FROM tidegate_version", [], |row| row.get(0))
            .optional()?
        {
            Some(VERSION) => {}
            Some(found) => return Err(JournalError::Version { found }),
            None => {
                tx.execute("INSERT INTO tidegate_version VALUES (?1)", [VERSION])?;
            }
        }
        let made = tx.execute(
            "INSERT INTO tidegate_flow (name, journal, epoch, meaning, phase, run, started, settled)
             VALUES (?1, ?2, 0, ?3, 'running', ?4, ?5, ?6) ON CONFLICT (name) DO NOTHING",
            params![name, fresh_id(), meaning, run_name(), now(), Settled::default().to_bytes()],
        )?;
        let (flow, epoch): (i64, i64) = tx.query_row(
            "UPDATE tidegate_flow SET epoch = epoch + 1 WHERE name = ?1 RETURNING id, epoch",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut state = read_state(&tx, flow)?;
        state.is_new = made == 1;
        tx.commit()?;
        Ok((Journal { flow, epoch }, state))
    }

    /// Looks at a flow's journal without taking it. None if there is none.
    ///
    /// # Errors
    /// [`JournalError`] if the database refuses or holds something else.
    pub fn peek(
        connection: &Connection,
        name: &str,
    ) -> Result<Option<(Journal, FlowState)>, JournalError> {
        let known: bool = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'tidegate_flow')",
            [],
            |row| row.get(0),
        )?;
        if !known {
            return Ok(None);
        }
        let found: Option<(i64, i64)> = connection
            .query_row(
                "SELECT id, epoch FROM tidegate_flow WHERE name = ?1",
                [name],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        found
            .map(|(flow, epoch)| Ok((Journal { flow, epoch }, read_state(connection, flow)?)))
            .transpose()
    }

    /// Begins a run: the flow's meaning, a new fingerprint of the source, and whether the positions are counted anew.
    ///
    /// A run that reads the source forgets the provisional dead letters; gives how many.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn begin(
        &self,
        connection: &mut Connection,
        begin: &Begin<'_>,
    ) -> Result<u64, JournalError> {
        let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let source = begin.source.map(serde_json::to_string).transpose()?;
        let output = begin.output.map(serde_json::to_string).transpose()?;
        self.guarded(tx.execute(
            "UPDATE tidegate_flow SET phase = 'running', meaning = ?3, source = coalesce(?4, source), dead_file = ?5,
             output = coalesce(?6, output) WHERE id = ?1 AND epoch = ?2",
            params![self.flow, self.epoch, begin.meaning, source, begin.dead_file, output],
        )?)?;
        let mut forgotten = 0;
        if begin.reads_source {
            forgotten = tx.execute(
                "DELETE FROM tidegate_dead WHERE flow = ?1 AND provisional",
                [self.flow],
            )?;
            tx.execute(
                "UPDATE tidegate_flow SET dead = dead - ?2 WHERE id = ?1",
                params![self.flow, forgotten as i64],
            )?;
        }
        if begin.count_anew {
            // Until such a run has met every record, its positions do not tell what earlier runs have finished. So the
            // source is not known before the run is finished: the next run matches by identity, too.
            tx.execute(
                "UPDATE tidegate_flow SET settled = ?2, mark_offset = 0, mark_line = 1, filtered = 0, source = NULL WHERE id = ?1",
                params![self.flow, Settled::default().to_bytes()],
            )?;
        }
        if let Some((run, started)) = begin.new_run {
            tx.execute(
                "UPDATE tidegate_flow SET run = ?2, started = ?3 WHERE id = ?1",
                params![self.flow, run, started],
            )?;
        }
        tx.commit()?;
        Ok(forgotten as u64)
    }

    /// Forgets everything: a new journal identity, no settled positions, no dead letters.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn forget(&self, connection: &mut Connection) -> Result<FlowState, JournalError> {
        let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        tx.execute("DELETE FROM tidegate_finished WHERE flow = ?1", [self.flow])?;
        tx.execute("DELETE FROM tidegate_dead WHERE flow = ?1", [self.flow])?;
        self.guarded(tx.execute(
            "UPDATE tidegate_flow SET journal = ?3, phase = 'running', ended = NULL, run = ?4, started = ?5, mark_offset = 0,
             mark_line = 1, settled = ?6, done = 0, dead = 0, filtered = 0, source = NULL, output = NULL, dead_file = 0
             WHERE id = ?1 AND epoch = ?2",
            params![self.flow, self.epoch, fresh_id(), run_name(), now(), Settled::default().to_bytes()],
        )?)?;
        let mut state = read_state(&tx, self.flow)?;
        state.is_new = true;
        tx.commit()?;
        Ok(state)
    }

    /// Adds `progress` within the caller's transaction; with it, `output` becomes the length that resume relies on.
    ///
    /// # Errors
    /// [`JournalError::LeaseLost`] if another runner has opened the journal since.
    pub fn apply(
        &self,
        tx: &Transaction<'_>,
        progress: &Progress,
        output: Option<&OutputMark>,
    ) -> Result<(), JournalError> {
        let output = output.map(serde_json::to_string).transpose()?;
        let dead_delta = progress.dead.len() as i64 - progress.revived.len() as i64;
        let changed = tx
            .prepare_cached(
                "UPDATE tidegate_flow SET settled = ?3, mark_offset = ?4, mark_line = ?5, done = done + ?6, dead = dead + ?7,
                 filtered = filtered + ?8, output = coalesce(?9, output) WHERE id = ?1 AND epoch = ?2",
            )?
            .execute(params![
                self.flow,
                self.epoch,
                progress.settled,
                progress.mark.offset as i64,
                progress.mark.line as i64,
                progress.done as i64,
                dead_delta,
                progress.filtered as i64,
                output
            ])?;
        self.guarded(changed)?;
        if !progress.identities.is_empty() {
            tx.prepare_cached("INSERT INTO tidegate_finished (flow, hashes) VALUES (?1, ?2)")?
                .execute(params![self.flow, progress.identities])?;
        }
        for dead in &progress.dead {
            insert_dead(tx, self.flow, dead)?;
        }
        for id in &progress.revived {
            tx.execute("DELETE FROM tidegate_dead WHERE id = ?1", [id])?;
        }
        for (id, dead) in &progress.dead_again {
            tx.execute(
                "UPDATE tidegate_dead SET state = 'dead', generation = ?2, letter = ?3 WHERE id = ?1",
                params![id, dead.generation, serde_json::to_string(&dead.letter)?],
            )?;
        }
        Ok(())
    }

    /// Ends the run in order. `source` then carries the hash of the bytes before the mark.
    ///
    /// # Errors
    /// [`JournalError::LeaseLost`] if another runner has opened the journal since.
    pub fn end(
        &self,
        connection: &Connection,
        phase: Phase,
        source: Option<&SourceMark>,
    ) -> Result<(), JournalError> {
        let source = source.map(serde_json::to_string).transpose()?;
        self.guarded(connection.execute(
            "UPDATE tidegate_flow SET phase = ?3, ended = ?4, source = CASE WHEN ?6 OR source IS NOT NULL
             THEN coalesce(?5, source) END WHERE id = ?1 AND epoch = ?2",
            params![self.flow, self.epoch, phase.name(), now(), source, phase == Phase::Finished],
        )?)
    }

    fn guarded(&self, changed: usize) -> Result<(), JournalError> {
        if changed == 1 {
            Ok(())
        } else {
            Err(JournalError::LeaseLost)
        }
    }

    /// The identities that are finished, block by block.
    pub fn finished<'c>(&self, connection: &'c Connection) -> Finished<'c> {
        Finished {
            connection,
            flow: self.flow,
            last: 0,
        }
    }

    /// Gives each dead letter in `state` to `each`: its number, generation, identity, position, record and letter.
    ///
    /// # Errors
    /// [`JournalError`], and what `each` returns.
    pub fn each_dead(
        &self,
        connection: &Connection,
        state: Option<DeadState>,
        mut each: impl FnMut(StoredDead) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        // In pages, so that no read transaction is open while `each` takes its time: it would keep the WAL from being
        // written back.
        let mut last = 0;
        loop {
            let page = self.dead_page(connection, state, last)?;
            let Some(end) = page.last() else {
                return Ok(());
            };
            last = end.id;
            for dead in page {
                each(dead)?;
            }
        }
    }

    fn dead_page(
        &self,
        connection: &Connection,
        state: Option<DeadState>,
        after: i64,
    ) -> Result<Vec<StoredDead>, JournalError> {
        let mut statement = connection.prepare_cached(
            "SELECT id, state, generation, identity, position, record, letter FROM tidegate_dead
             WHERE flow = ?1 AND (?2 IS NULL OR state = ?2) AND id > ?3 ORDER BY id LIMIT 64",
        )?;
        let mut rows = statement.query(params![self.flow, state.map(state_name), after])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let letter: String = row.get(6)?;
            let state: String = row.get(1)?;
            page.push(StoredDead {
                id: row.get(0)?,
                state: if state == "retry" {
                    DeadState::Retry
                } else {
                    DeadState::Dead
                },
                generation: row.get(2)?,
                identity: row.get(3)?,
                position: row.get::<_, i64>(4)? as u64,
                record: row.get(5)?,
                letter: serde_json::from_str(&letter)?,
            });
        }
        Ok(page)
    }

    /// Marks dead letters for the next run; their generation rises, and with it their idempotency keys.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn mark_for_retry(
        &self,
        connection: &mut Connection,
        ids: &[i64],
    ) -> Result<(), JournalError> {
        let tx = connection.transaction()?;
        for id in ids {
            tx.execute(
                "UPDATE tidegate_dead SET state = 'retry', generation = generation + 1 WHERE id = ?1 AND flow = ?2 AND state = 'dead'",
                params![id, self.flow],
            )?;
        }
        tx.commit()?;
        Ok(())
    }

    /// Drops dead letters for good: their records stay settled.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn drop_dead(&self, connection: &mut Connection, ids: &[i64]) -> Result<(), JournalError> {
        let tx = connection.transaction()?;
        let mut dropped = 0;
        for id in ids {
            dropped += tx.execute(
                "DELETE FROM tidegate_dead WHERE id = ?1 AND flow = ?2",
                params![id, self.flow],
            )?;
        }
        tx.execute(
            "UPDATE tidegate_flow SET dead = dead - ?2 WHERE id = ?1",
            params![self.flow, dropped as i64],
        )?;
        tx.commit()?;
        Ok(())
    }
}

impl Finished<'_> {
    /// The next block; none at the end.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn next_block(&mut self) -> Result<Option<Vec<u8>>, JournalError> {
        let found: Option<(i64, Vec<u8>)> = self
            .connection
            .prepare_cached("SELECT id, hashes FROM tidegate_finished WHERE flow = ?1 AND id > ?2 ORDER BY id LIMIT 1")?
            .query_row(params![self.flow, self.last], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(found.map(|(id, hashes)| {
            self.last = id;
            hashes
        }))
    }
}

fn insert_dead(tx: &Transaction<'_>, flow: i64, dead: &NewDead) -> Result<(), JournalError> {
    tx.prepare_cached(
        "INSERT INTO tidegate_dead (flow, state, provisional, generation, identity, position, record, letter)
         VALUES (?1, 'dead', ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        flow,
        dead.provisional,
        dead.generation,
        dead.identity,
        dead.position as i64,
        dead.record,
        serde_json::to_string(&dead.letter)?
    ])?;
    Ok(())
}

fn state_name(state: DeadState) -> &'static str {
    match state {
        DeadState::Dead => "dead",
        DeadState::Retry => "retry",
    }
}

/// Sixteen bytes that no other journal has.
fn fresh_id() -> [u8; 16] {
    let mut rng = fastrand::Rng::new();
    let mut id = [0; 16];
    rng.fill(&mut id);
    id
}

/// A name for a run, short enough to be said.
pub(crate) fn run_name() -> String {
    let mut rng = fastrand::Rng::new();
    (0..8).map(|_| rng.char('a'..='z')).collect()
}

/// The time, as RFC 3339 in UTC with seconds.
pub(crate) fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}
