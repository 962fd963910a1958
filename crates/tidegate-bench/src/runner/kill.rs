//! `kill -9` at random moments: what is lost, what is there twice.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidegate_test::Api;

use super::launch::{self, Launch};
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::job::{Flow, Job, Sink};
use crate::suite::{Bench, Setting};

const LOST: Wanted = Wanted::at_most("runner/kill_lost", "rows", 0.0);
const DOUBLED: Wanted = Wanted::at_most("runner/kill_doubled", "rows", 0.0);

pub(super) const BENCHES: &[Bench] = &[Bench {
    figures: &[LOST, DOUBLED],
    peers: false,
    run: killed,
}];

/// What the kills did to one sink.
#[derive(Debug, Default, Serialize)]
struct Damage {
    kills: u32,
    /// How often the job was done from its first row to its last.
    jobs: u32,
    lost: u64,
    doubled: u64,
}

/// A row of the sink.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Row {
    id: u64,
    total: f64,
}

fn killed(setting: &Setting) -> Fallible<Vec<Figure>> {
    let latency = Duration::from_millis(5);
    let api = Api::builder().latency(latency, latency).spawn_thread()?;
    let base = api.base_url();
    let job = Job::of(setting.amount(20_000, 4_000))?;
    let kills = setting.amount(20, 4);
    let mut random = fastrand::Rng::with_seed(20);

    let mut against = |sink| {
        damage(
            setting,
            &job,
            &Flow {
                sink,
                ..Flow::of(&base)
            },
            kills,
            &mut random,
        )
    };
    let (sqlite, jsonl) = (against(Sink::Sqlite)?, against(Sink::Jsonl)?);

    let detail = json!({ "sqlite": sqlite, "jsonl": jsonl, "rows": job.rows });
    Ok(vec![
        LOST.measured((sqlite.lost + jsonl.lost) as f64, detail.clone()),
        DOUBLED.measured((sqlite.doubled + jsonl.doubled) as f64, detail),
    ])
}

/// Kills the runner `kills` times and starts it again each time; begins anew when the job gets done in between.
fn damage(
    setting: &Setting,
    job: &Job,
    flow: &Flow<'_>,
    kills: u32,
    random: &mut fastrand::Rng,
) -> Fallible<Damage> {
    let mut damage = Damage::default();
    while damage.kills < kills {
        let launch = Launch::prepare(setting, job, flow)?;
        let status = loop {
            let mut child = launch.command()?.spawn()?;
            // From before its first request to well into its work.
            let life = Duration::from_millis(random.u64(5..500));
            if damage.kills == kills {
                break child.wait()?;
            }
            if let Some(status) = wait_for(&mut child, life)? {
                break status;
            }
            child.kill()?;
            child.wait()?;
            damage.kills += 1;
        };
        if !status.success() {
            return Err(launch.complaint(&status.to_string()).into());
        }
        damage.count(job.rows, rows_of(&launch.folder, flow.sink)?)?;
        launch::remove(&launch.folder)?;
    }
    Ok(damage)
}

/// The end of the child, if it comes within `life`.
fn wait_for(child: &mut Child, life: Duration) -> Fallible<Option<ExitStatus>> {
    let end = Instant::now() + life;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(None)
}

impl Damage {
    /// Counts a finished job that has left these rows.
    fn count(&mut self, rows: u64, found: impl IntoIterator<Item = Row>) -> Fallible<()> {
        let mut times = vec![0_u64; usize::try_from(rows)?];
        for row in found {
            let place = row
                .id
                .checked_sub(1)
                .and_then(|place| usize::try_from(place).ok());
            let seen = place
                .and_then(|place| times.get_mut(place))
                .ok_or(format!("a row that nobody asked for: {row:?}"))?;
            *seen += 1;
            if row.total
                != tidegate_test::orders(&row.id.to_string())
                    .iter()
                    .sum::<f64>()
            {
                return Err(format!("a wrong row: {row:?}").into());
            }
        }
        self.jobs += 1;
        self.lost += times.iter().filter(|times| **times == 0).count() as u64;
        self.doubled += times
            .iter()
            .map(|times| times.saturating_sub(1))
            .sum::<u64>();
        Ok(())
    }
}

fn rows_of(folder: &Path, sink: Sink) -> Fallible<Vec<Row>> {
    match sink {
        Sink::Sqlite => {
            let database = Connection::open_with_flags(
                folder.join("out.db"),
                OpenFlags::SQLITE_OPEN_READ_WRITE,
            )?;
            let mut query = database.prepare("SELECT id, total FROM users")?;
            let rows = query.query_map([], |row| {
                Ok(Row {
                    id: row.get::<_, i64>(0)?.unsigned_abs(),
                    total: row.get(1)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        }
        // A torn line is no row: an error.
        Sink::Jsonl => BufReader::new(File::open(folder.join("out.jsonl"))?)
            .lines()
            .map(|line| Ok(serde_json::from_str(&line?)?))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u64) -> Row {
        Row {
            id,
            total: tidegate_test::orders(&id.to_string()).iter().sum(),
        }
    }

    #[test]
    fn rows_that_lack_and_rows_too_many_are_counted_apart() {
        let mut damage = Damage::default();
        damage.count(4, [1, 3, 3, 3].map(row)).unwrap();
        assert_eq!((damage.jobs, damage.lost, damage.doubled), (1, 2, 2));
    }

    #[test]
    fn rows_that_cannot_be_right_are_errors() {
        let mut damage = Damage::default();
        assert!(damage.count(4, [row(5)]).is_err());
        assert!(damage.count(4, [row(0)]).is_err());
        assert!(
            damage
                .count(
                    4,
                    [Row {
                        total: 0.125,
                        ..row(1)
                    }]
                )
                .is_err()
        );
    }
}
