//! Stopping early when record after record dies of the same cause: a bad token, a wrong path, a fault in a template.
//!
//! Deaths that look like it are held back, undecided. A success shows that the cause is the records' own: what was held
//! becomes dead. A streak that is long enough stops the run, and what was held goes back to not done.

use crate::call::Death;

/// Records in a row that are refused, or meet the same fault of a template.
const REFUSED: usize = 20;
/// Records in a row whose request is wrong, with no success since the start.
const WRONG: usize = 100;
/// Records held back at once, whatever their causes.
const HELD: usize = 256;
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
    /// Records of the streak that went on all the same, with the value of `otherwise`.
    gone_on: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Cause {
    Status(u16),
    /// A fault of a template, or of the way to the service, in the same words.
    Same(String),
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
            (true, _) => (Cause::Same(death.cause.clone()), REFUSED),
            // A request that may have been carried out must not go back to not done.
            (false, None) if !death.maybe_done => (Cause::Same(death.cause.clone()), REFUSED),
            (false, Some(status)) if is_refusal(status) => (Cause::Status(status), REFUSED),
            (false, Some(status @ (400 | 404 | 405 | 422))) if !self.has_succeeded(death.step) => {
                (Cause::Status(status), WRONG)
            }
            _ => return Fate::Dead(held),
        };
        if self.held() >= HELD {
            return Fate::Dead(held);
        }
        let Some(streak) = self.streak(death.step, cause) else {
            return Fate::Dead(held);
        };
        streak.held.push(held);
        match streak.message(enough, death, step_name) {
            Some(message) => Fate::Stop(message),
            None => Fate::Held,
        }
    }

    /// A step was refused, and the record went on with the value of `otherwise`: gives the message if the run is to stop.
    pub(crate) fn gone_on(
        &mut self,
        death: &Death,
        step_name: impl Fn(usize) -> String,
    ) -> Option<String> {
        let status = death.status.filter(|status| is_refusal(*status))?;
        let streak = self.streak(death.step, Cause::Status(status))?;
        streak.gone_on += 1;
        streak.message(REFUSED, death, step_name)
    }

    fn streak(&mut self, step: Option<usize>, cause: Cause) -> Option<&mut Streak<T>> {
        let same = |streak: &Streak<T>| streak.step == step && streak.cause == cause;
        match self.streaks.iter().position(same) {
            Some(index) => self.streaks.get_mut(index),
            None if self.streaks.len() == STREAKS => None,
            None => {
                let streak = Streak {
                    step,
                    cause,
                    held: Vec::new(),
                    gone_on: 0,
                };
                self.streaks.push(streak);
                self.streaks.last_mut()
            }
        }
    }

    /// Ends the undecided: they are dead after all.
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

/// The caller is refused, not the record.
fn is_refusal(status: u16) -> bool {
    matches!(status, 401 | 402 | 403 | 407)
}

impl<T> Streak<T> {
    /// Why the run is to stop, once the streak is long enough.
    fn message(
        &self,
        enough: usize,
        death: &Death,
        step_name: impl Fn(usize) -> String,
    ) -> Option<String> {
        let count = self.held.len() + self.gone_on;
        if count < enough {
            return None;
        }
        let place = death.step.map_or("the row".to_owned(), |step| {
            format!("step `{}`", step_name(step))
        });
        let why = match self.cause {
            Cause::Status(401 | 407) => "; are the credentials still good?",
            Cause::Status(402) => "; is the account paid up?",
            Cause::Status(403) => "; may these credentials do that?",
            Cause::Status(_) => "; is the path right?",
            Cause::Same(_) => "",
        };
        let said = death
            .body
            .as_deref()
            .map(|body| format!("\n  it said: {}", body.trim_end()))
            .unwrap_or_default();
        Some(format!(
            "{place} fails for every record ({}, {count} in a row){why}{said}",
            death.cause
        ))
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
    fn refusals_that_otherwise_covers_up_stop_the_run_too() {
        let mut early = EarlyStop::<u32>::new();
        let mut last = None;
        for _ in 0..20 {
            assert_eq!(last, None);
            last = early.gone_on(&death(401), |_| "user".to_owned());
        }
        assert!(last.is_some_and(|why| why.contains("20 in a row")));
        assert_eq!(early.gone_on(&death(404), |_| "user".to_owned()), None);
    }

    #[test]
    fn a_way_that_is_closed_to_all_stops_the_run_but_a_request_that_may_be_done_stays_dead() {
        let fault = |maybe_done| Death {
            step: Some(0),
            cause: "certificate not trusted".to_owned(),
            maybe_done,
            ..Death::default()
        };
        let mut early = EarlyStop::new();
        let mut fate = Fate::Held;
        for record in 0..20 {
            fate = early.death(&fault(false), record, |_| "user".to_owned());
        }
        assert!(matches!(fate, Fate::Stop(_)));
        let fate = early.death(&fault(true), 0, |_| "user".to_owned());
        assert!(matches!(fate, Fate::Dead(0)));
    }

    #[test]
    fn no_more_are_held_than_the_bound() {
        let mut early = EarlyStop::new();
        for record in 0..HELD as u32 + 10 {
            let cause = format!("fault {}", record % 16);
            let death = Death {
                cause,
                template: true,
                ..Death::default()
            };
            early.death(&death, record, |_| String::new());
        }
        assert!(early.held() <= HELD);
    }

    #[test]
    fn a_success_of_another_step_refutes_nothing() {
        let mut early = EarlyStop::new();
        die(&mut early, 401, 10);
        assert!(early.success(2, false).is_empty());
        assert_eq!(early.held(), 10);
    }
}
