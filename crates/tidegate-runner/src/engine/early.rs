//! Stopping early when record after record dies of the same cause: a bad token, a wrong path, a fault in a template.
//!
//! Deaths that look like it are held back, undecided. A success shows that the cause is the records' own: what was held
//! becomes dead. A streak that is long enough stops the run, and what was held goes back to not done.

use crate::call::Death;

/// Records in a row that are refused, or meet the same fault of a template.
const REFUSED: usize = 20;
/// Records in a row whose request is wrong, with no success since the start.
const WRONG: usize = 100;
/// Streaks at once. Causes that name the record's own value are as many as the records, and no common cause.
const STREAKS: usize = 32;

/// What a death means.
#[derive(Debug)]
pub(crate) enum Fate<T> {
    /// The record is dead.
    Dead(T),
    /// Undecided; kept here.
    Held,
    /// The streak is long enough: the run is to stop, with this message.
    Stop(String),
}

/// The streaks of a run. `T` is what is held of a record.
#[derive(Debug)]
pub(crate) struct EarlyStop<T> {
    streaks: Vec<Streak<T>>,
    /// Bit per step: it has succeeded since the start.
    succeeded: u64,
}

#[derive(Debug)]
struct Streak<T> {
    step: Option<usize>,
    cause: Cause,
    held: Vec<T>,
}

#[derive(Debug, PartialEq, Eq)]
enum Cause {
    Status(u16),
    Template(String),
}

impl<T> EarlyStop<T> {
    pub(crate) fn new() -> EarlyStop<T> {
        EarlyStop {
            streaks: Vec::new(),
            succeeded: 0,
        }
    }

    /// Steps have succeeded (bit per step), and perhaps the whole record: gives those held that are dead after all.
    pub(crate) fn success(&mut self, steps: u64, record: bool) -> Vec<T> {
        self.succeeded |= steps;
        if self.streaks.is_empty() {
            return Vec::new();
        }
        let refuted = |streak: &mut Streak<T>| match streak.step {
            Some(step) => steps & (1 << step) != 0,
            None => record,
        };
        self.streaks
            .extract_if(.., refuted)
            .flat_map(|streak| streak.held)
            .collect()
    }

    /// A record has died.
    pub(crate) fn death(
        &mut self,
        death: &Death,
        held: T,
        step_name: impl Fn(usize) -> String,
    ) -> Fate<T> {
        let (cause, enough) = match (death.template, death.status) {
            (true, _) => (Cause::Template(death.cause.clone()), REFUSED),
            (false, Some(status @ (401 | 402 | 403 | 407))) => (Cause::Status(status), REFUSED),
            (false, Some(status @ (400 | 404 | 405 | 422))) if !self.has_succeeded(death.step) => {
                (Cause::Status(status), WRONG)
            }
            _ => return Fate::Dead(held),
        };
        let same = |streak: &Streak<T>| streak.step == death.step && streak.cause == cause;
        let index = match self.streaks.iter().position(same) {
            Some(index) => index,
            None if self.streaks.len() == STREAKS => return Fate::Dead(held),
            None => {
                self.streaks.push(Streak {
                    step: death.step,
                    cause,
                    held: Vec::new(),
                });
                self.streaks.len() - 1
            }
        };
        let streak = &mut self.streaks[index];
        streak.held.push(held);
        let count = streak.held.len();
        if count < enough {
            return Fate::Held;
        }
        let place = death.step.map_or("the row".to_owned(), |step| {
            format!("step `{}`", step_name(step))
        });
        let why = match (&streak.cause, death.status) {
            (Cause::Status(401 | 407), _) => "; are the credentials still good?",
            (Cause::Status(402), _) => "; is the account paid up?",
            (Cause::Status(403), _) => "; may these credentials do that?",
            (Cause::Status(_), _) => "; is the path right?",
            (Cause::Template(_), _) => "",
        };
        let said = death
            .body
            .as_deref()
            .map(|body| format!("\n  it said: {}", body.trim_end()))
            .unwrap_or_default();
        Fate::Stop(format!(
            "{place} fails for every record ({}, {count} in a row){why}{said}",
            death.cause
        ))
    }

    /// Ends the undecided: the input is at its end, so they are dead.
    pub(crate) fn release(&mut self) -> Vec<T> {
        std::mem::take(&mut self.streaks)
            .into_iter()
            .flat_map(|streak| streak.held)
            .collect()
    }

    /// How many are undecided.
    pub(crate) fn held(&self) -> usize {
        self.streaks.iter().map(|streak| streak.held.len()).sum()
    }

    fn has_succeeded(&self, step: Option<usize>) -> bool {
        step.is_some_and(|step| self.succeeded & (1 << step) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn death(status: u16) -> Death {
        Death {
            step: Some(0),
            cause: status.to_string(),
            status: Some(status),
            ..Death::default()
        }
    }

    fn die(early: &mut EarlyStop<u32>, status: u16, times: u32) -> Fate<u32> {
        let mut last = Fate::Held;
        for record in 0..times {
            last = early.death(&death(status), record, |_| "user".to_owned());
        }
        last
    }

    #[test]
    fn twenty_refusals_in_a_row_stop_the_run_and_stay_held() {
        let mut early = EarlyStop::new();
        assert!(matches!(die(&mut early, 401, 19), Fate::Held));
        let stopped = die(&mut early, 401, 1);
        assert!(
            matches!(&stopped, Fate::Stop(why) if why.contains("step `user`") && why.contains("20 in a row")),
            "{stopped:?}"
        );
        assert_eq!(early.held(), 20);
    }

    #[test]
    fn a_success_in_between_makes_refusals_ordinary_deaths() {
        let mut early = EarlyStop::new();
        die(&mut early, 403, 19);
        assert_eq!(early.success(1, false).len(), 19);
        assert!(matches!(die(&mut early, 403, 19), Fate::Held));
    }

    #[test]
    fn a_token_that_expires_after_an_hour_stops_the_run() {
        let mut early = EarlyStop::new();
        early.success(1, true);
        assert!(matches!(die(&mut early, 401, 20), Fate::Stop(_)));
    }

    #[test]
    fn not_found_is_a_wrong_path_only_while_nothing_was_found() {
        let mut early = EarlyStop::new();
        assert!(matches!(die(&mut early, 404, 99), Fate::Held));
        assert!(matches!(die(&mut early, 404, 1), Fate::Stop(_)));
        let mut early = EarlyStop::new();
        early.success(1, true);
        assert!(matches!(die(&mut early, 404, 1), Fate::Dead(0)));
    }

    #[test]
    fn causes_that_differ_for_every_record_are_not_held_without_bound() {
        let mut early = EarlyStop::new();
        for record in 0..1_000 {
            let death = Death {
                cause: format!("`{record}` is no number"),
                template: true,
                ..Death::default()
            };
            drop(early.death(&death, record, |_| String::new()));
        }
        assert_eq!(early.held(), STREAKS);
    }

    #[test]
    fn a_success_of_another_step_refutes_nothing() {
        let mut early = EarlyStop::new();
        die(&mut early, 401, 10);
        assert!(early.success(2, false).is_empty());
        assert_eq!(early.held(), 10);
    }
}
