//! Looking at a flow's journal from outside a run: `status`, `dead list`, `dead retry`, `dead drop`.

use crate::{
    expr::{EvalError, Expr, Globals, RunInfo, Scope},
    journal::{DeadState, FlowState, Journal, JournalError, Lease, LeaseError, StoredDead},
    output,
    plan::Plan,
};
use minijinja::Value;
use rusqlite::Connection;
use std::{collections::BTreeMap, path::Path, sync::Arc};
use tidegate_sql::{Access, SqlError};

/// Why a journal cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The database cannot be opened.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A run is active.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The condition fails for a dead letter.
    #[error("--where: {0}")]
    Where(EvalError),
    /// The dead-letter file cannot be written.
    #[error(transparent)]
    DeadFile(#[from] output::OpenError),
    /// There is no run to look at.
    #[error("this flow has not been run yet")]
    NeverRun,
}

/// A flow's journal, open for reading.
#[derive(Debug)]
pub struct Inspector {
    connection: Connection,
    journal: Journal,
    state: FlowState,
    lock: std::path::PathBuf,
    database: std::path::PathBuf,
    /// The dead-letter file, if this journal writes one.
    dead_file: Option<std::path::PathBuf>,
}

impl Inspector {
    /// Opens the journal of a plan; `state` is the folder given by `--state`.
    ///
    /// # Errors
    /// [`InspectError::NeverRun`] if there is no journal; else what the database says.
    pub fn open(plan: &Plan, state: Option<&Path>) -> Result<Inspector, InspectError> {
        let place = output::place(plan, state);
        if !place.database.exists() {
            return Err(InspectError::NeverRun);
        }
        let connection = tidegate_sql::open(&place.database, Access::ReadOnly)?;
        let (journal, state) =
            Journal::peek(&connection, &plan.name)?.ok_or(InspectError::NeverRun)?;
        let dead_file = plan.dead_letter.as_ref().filter(|_| state.dead_file);
        Ok(Inspector {
            connection,
            journal,
            state,
            lock: place.lock,
            dead_file: dead_file.map(|dead| dead.path.clone()),
            database: place.database,
        })
    }

    /// What is known of the flow.
    pub fn state(&self) -> &FlowState {
        &self.state
    }

    /// Gives each dead letter for which `condition` holds to `each`.
    ///
    /// The condition reads the fields of the letter (`step cause status attempts key line body maybe_done at`) and of its
    /// record by their names.
    ///
    /// # Errors
    /// [`InspectError::Where`] if the condition cannot be evaluated, for the first letter for which that is so.
    pub fn dead(
        &self,
        condition: Option<&Expr>,
        mut each: impl FnMut(StoredDead),
    ) -> Result<(), InspectError> {
        let run = RunInfo {
            id: self.state.run.clone(),
            started: self.state.started.clone(),
        };
        let globals = Arc::new(Globals::new(
            Vec::new(),
            BTreeMap::new(),
            BTreeMap::new(),
            run,
        ));
        let mut failed = None;
        self.journal.each_dead(&self.connection, None, |dead| {
            if failed.is_some() {
                return Ok(());
            }
            let holds = condition.map_or(Ok(true), |condition| {
                condition.eval_condition(&Scope::new(&globals, names(&dead)))
            });
            match holds {
                Ok(true) => each(dead),
                Ok(false) => {}
                Err(error) => failed = Some(error),
            }
            Ok(())
        })?;
        failed.map_or(Ok(()), |error| Err(InspectError::Where(error)))
    }

    /// Marks the dead letters for which `condition` holds; the next run works on them first. Gives their number.
    ///
    /// # Errors
    /// [`InspectError::Lease`] while a run is active.
    pub fn mark_for_retry(&self, condition: Option<&Expr>) -> Result<usize, InspectError> {
        let ids = self.matching(condition)?;
        let (mut connection, _lease) = self.for_writing()?;
        self.journal.mark_for_retry(&mut connection, &ids)?;
        Ok(ids.len())
    }

    /// Drops the dead letters for which `condition` holds: their records count as settled, and are not shown any more.
    ///
    /// # Errors
    /// [`InspectError::Lease`] while a run is active.
    pub fn drop_dead(&self, condition: Option<&Expr>) -> Result<usize, InspectError> {
        let ids = self.matching(condition)?;
        let (mut connection, _lease) = self.for_writing()?;
        self.journal.drop_dead(&mut connection, &ids)?;
        if let Some(path) = &self.dead_file {
            output::render_dead_file(path, &connection, &self.journal)?;
        }
        Ok(ids.len())
    }

    fn matching(&self, condition: Option<&Expr>) -> Result<Vec<i64>, InspectError> {
        let mut ids = Vec::new();
        self.dead(condition, |dead| ids.push(dead.id))?;
        Ok(ids)
    }

    fn for_writing(&self) -> Result<(Connection, Lease), InspectError> {
        let lease = Lease::take(&self.lock)?;
        Ok((tidegate_sql::open(&self.database, Access::Create)?, lease))
    }
}

/// The record's fields, and over them those of the letter.
fn names(dead: &StoredDead) -> Value {
    let letter = &dead.letter;
    // What is stored as JSON is JSON; a record that could not be read is a text in it.
    let record = crate::expr::json::parse(letter.record.to_string().as_bytes()).unwrap_or_default();
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    if let Ok(keys) = record.try_iter() {
        for key in keys {
            if let (Some(name), Ok(value)) = (key.as_str(), record.get_item(&key)) {
                all.insert(name.to_owned(), value);
            }
        }
    }
    let state = if dead.state == DeadState::Retry {
        "retry"
    } else {
        "dead"
    };
    let own = [
        ("step", Value::from(letter.step.as_deref())),
        ("cause", Value::from(letter.cause.as_str())),
        ("status", Value::from(letter.status)),
        ("attempts", Value::from(letter.attempts)),
        ("key", Value::from(letter.key.as_deref())),
        ("line", Value::from(letter.line)),
        ("body", Value::from(letter.body.as_deref())),
        ("maybe_done", Value::from(letter.maybe_done)),
        ("at", Value::from(letter.at.as_str())),
        ("state", Value::from(state)),
    ];
    all.extend(own.map(|(name, value)| (name.to_owned(), value)));
    Value::from_pairs(all)
}
