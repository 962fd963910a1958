//! What a test expects of an outcome, and the table that it fails with.

use super::Outcome;
use std::{fmt, ops::Range, time::Duration};

/// Rows of the table at most.
const ROWS: u32 = 40;

impl Outcome {
    /// The service is back so long after the last trouble; see [`recovery`](Outcome::recovery).
    ///
    /// # Panics
    ///
    /// If it is not.
    #[track_caller]
    pub fn recovers_within(&self, limit: Duration) -> &Self {
        let found = match self.recovery() {
            Some(after) if after <= limit => return self,
            Some(after) => format!("it took {after:?}"),
            None => "it did not".to_owned(),
        };
        self.fail(&format!("recovers within {limit:?}: {found}"))
    }

    /// In `span` so many requests are sent per call, or fewer; see [`amplification`](Outcome::amplification).
    ///
    /// # Panics
    ///
    /// If there are more, or there was no call.
    #[track_caller]
    pub fn amplification_at_most(&self, span: Range<Duration>, most: f64) -> &Self {
        let found = self.amplification(span.clone());
        if found <= most {
            return self;
        }
        self.fail(&format!(
            "at most {most} requests per call in {span:?}: {found:.3}"
        ))
    }

    /// In `span` so many calls per second return a value, or more.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[track_caller]
    pub fn goodput_at_least(&self, span: Range<Duration>, least: f64) -> &Self {
        let found = self.goodput(span.clone());
        if found >= least {
            return self;
        }
        self.fail(&format!(
            "at least {least} good calls per second in {span:?}: {found:.1}"
        ))
    }

    /// 99 in 100 of the calls that return a value in `span` take no longer.
    ///
    /// # Panics
    ///
    /// If they do, or there are none.
    #[track_caller]
    pub fn p99_at_most(&self, span: Range<Duration>, limit: Duration) -> &Self {
        let found = match self.latency(span.clone(), 0.99) {
            Some(p99) if p99 <= limit => return self,
            Some(p99) => format!("{p99:?}"),
            None => "no call ended well".to_owned(),
        };
        self.fail(&format!("p99 at most {limit:?} in {span:?}: {found}"))
    }

    /// At most this share of the service's work is for nobody; see [`wasted_share`](Outcome::wasted_share).
    ///
    /// # Panics
    ///
    /// If it is more.
    #[track_caller]
    pub fn wasted_at_most(&self, share: f64) -> &Self {
        let found = self.wasted_share();
        if found <= share {
            return self;
        }
        self.fail(&format!("at most {share} of the work wasted: {found:.3}"))
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!("expected: {what}\n{self}")
    }
}

/// A line for the whole run, and a table of it in at most 40 rows.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} calls: {} good, {} failed, {} unfinished; {:.2} requests per call; {:.0} % of the work wasted; ",
            self.offered(),
            self.good(),
            self.failed(),
            self.unfinished(),
            self.amplification(self.whole()),
            100.0 * self.wasted_share(),
        )?;
        match self.recovery() {
            Some(after) => writeln!(f, "back after {:.1} s", after.as_secs_f64())?,
            None => writeln!(f, "never back")?,
        }
        writeln!(f, "   from s  calls/s   good/s  requests/s  p99 ms")?;
        let whole = self.whole().end;
        let width = whole.div_f64(f64::from(ROWS)).as_secs().max(1);
        for from in (0..).map(|row| Duration::from_secs(row * width)) {
            if from >= whole {
                break;
            }
            let span = from..whole.min(from + Duration::from_secs(width));
            self.row(f, span)?;
        }
        Ok(())
    }
}

impl Outcome {
    fn row(&self, f: &mut fmt::Formatter<'_>, span: Range<Duration>) -> fmt::Result {
        let seconds = (span.end - span.start).as_secs_f64();
        let trouble = if self.during().contains(&span.start) {
            "*"
        } else {
            ""
        };
        write!(
            f,
            "{trouble:1}{:8} {:8.0} {:8.0} {:11.0}",
            span.start.as_secs(),
            self.calls(span.clone()) as f64 / seconds,
            self.goodput(span.clone()),
            self.requests(span.clone()) as f64 / seconds,
        )?;
        match self.latency(span, 0.99) {
            Some(p99) => writeln!(f, " {:7}", p99.as_millis()),
            None => writeln!(f, "       -"),
        }
    }
}
