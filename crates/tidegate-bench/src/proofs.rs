//! How often policies did what must never happen, over many random programs. Nearly all of it in virtual time.
//!
//! The checks are those of the tests, in larger numbers and with other seeds.

use std::ops::Range;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::suite::{Bench, Setting};

// Not a copy: what the tests check and what the figures count is the same.
#[path = "../../tidegate/tests/policy/proofs/mod.rs"]
mod checks;
#[path = "../../tidegate-http/tests/http/retry_after.rs"]
mod retry_after;

use checks::{aws_vectors, consulted, deadlines, governor, nests, order, probes, ratio, stops};

const DEADLINES: Wanted = Wanted::at_most("policy/t13_late_or_in_vain", "calls", 0.0);
const LEAKS: Wanted = Wanted::at_most("policy/t14_leaks", "runs", 0.0);
const PROBES: Wanted = Wanted::at_most("policy/t15_excess_probes", "probes", 0.0);
const VECTORS: Wanted = Wanted::at_most("policy/t16_wrong_vectors", "vectors", 0.0);
const ADMISSIONS: Wanted = Wanted::at_most("policy/t19_differing_admissions", "attempts", 0.0);
const STAGES: Wanted = Wanted::at_most("policy/t20_silent_stages", "stages", 0.0);
const NESTS: Wanted = Wanted::at_most("policy/unbounded_nests", "nests", 0.0);
const ORDER: Wanted = Wanted::at_most("policy/out_of_order", "plans", 0.0);

pub(crate) const BENCHES: &[Bench] = &[
    proof(&[DEADLINES], late_or_in_vain),
    proof(&[LEAKS], leaks),
    proof(&[PROBES], excess_probes),
    proof(&[VECTORS], wrong_vectors),
    proof(&[ADMISSIONS], differing_admissions),
    proof(&[STAGES], silent_stages),
    proof(&[NESTS], unbounded_nests),
    proof(&[ORDER], out_of_order),
];

const fn proof(figures: &'static [Wanted], run: fn(&Setting) -> Fallible<Vec<Figure>>) -> Bench {
    Bench {
        figures,
        peers: false,
        run,
    }
}

/// Other seeds than those of the tests.
fn rng() -> Rng {
    Rng::with_seed(2_026)
}

fn virtual_time() -> Fallible<Runtime> {
    Ok(Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?)
}

/// The figure, and what was found; of more than three the first.
fn found(wanted: Wanted, faults: &[String], mut detail: Value) -> Fallible<Vec<Figure>> {
    detail["found"] = json!(&faults[..faults.len().min(3)]);
    Ok(vec![wanted.measured(faults.len() as f64, detail)])
}

fn late_or_in_vain(setting: &Setting) -> Fallible<Vec<Figure>> {
    let plans = setting.amount(100_000, 2_000);
    let (mut rng, mut faults) = (rng(), Vec::new());
    virtual_time()?.block_on(async {
        for _ in 0..plans {
            faults.extend(deadlines::Plan::random(&mut rng).faults().await);
        }
    });
    found(DEADLINES, &faults, json!({ "plans": plans }))
}

fn leaks(_: &Setting) -> Fallible<Vec<Figure>> {
    let (mut stops, mut faults) = (0, Vec::new());
    for program in stops::PROGRAMS {
        let (runs, left) = stops::leaks(program);
        stops += runs;
        faults.extend(left);
    }
    let programs = stops::PROGRAMS.len();
    found(
        LEAKS,
        &faults,
        json!({ "programs": programs, "stops": stops }),
    )
}

fn excess_probes(setting: &Setting) -> Fallible<Vec<Figure>> {
    const PROBES_OF: [u32; 4] = [1, 2, 5, 32];
    let threads = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()?;
    let rounds: Range<u32> = 0..setting.amount(500, 20);
    let mut excess = 0;
    threads.block_on(async {
        for _ in rounds.clone() {
            for probes in PROBES_OF {
                excess += probes::excess(probes).await;
            }
        }
    });
    let histories = setting.amount(10_000, 300);
    let (mut rng, mut stuck) = (rng(), 0);
    virtual_time()?.block_on(async {
        for probes in PROBES_OF {
            excess += probes::excess(probes).await + probes::excess_of_waiting(probes).await;
        }
        for _ in 0..histories {
            stuck += usize::from(probes::is_stuck(rng.u32(1..4), &mut rng).await);
        }
    });
    let detail = json!({
        "callers": probes::CALLERS, "probes": PROBES_OF, "rounds": rounds.end, "excess": excess,
        "histories": histories, "stuck": stuck,
    });
    Ok(vec![PROBES.measured((excess + stuck) as f64, detail)])
}

fn wrong_vectors(_: &Setting) -> Fallible<Vec<Figure>> {
    let book = aws_vectors::book();
    let (headers, mut wrong) = retry_after::wrong();
    virtual_time()?.block_on(async {
        for vector in &book.vectors {
            let faults = book.faults(vector, aws_vectors::SEEDS).await;
            // A vector is wrong once, whatever is wrong with it.
            wrong.extend(faults.into_iter().next());
        }
    });
    let detail = json!({ "aws": book.vectors.len(), "retry_after": headers });
    found(VECTORS, &wrong, detail)
}

fn differing_admissions(setting: &Setting) -> Fallible<Vec<Figure>> {
    let histories = setting.amount(20_000, 300);
    let ratios = ratio::RATIOS.step_by(setting.amount(1, 97));
    let (mut rng, mut by_rate, mut by_budget) = (rng(), 0, 0);
    virtual_time()?.block_on(async {
        for _ in 0..histories {
            by_rate += governor::History::random(&mut rng).differing().await;
        }
        for thousandths in ratios.clone() {
            by_budget += ratio::differing(thousandths, 200, &mut rng).await;
        }
    });
    let detail = json!({
        "histories": histories, "from_governor": by_rate,
        "ratios": ratios.count(), "from_fractions": by_budget,
    });
    Ok(vec![
        ADMISSIONS.measured((by_rate + by_budget) as f64, detail),
    ])
}

fn silent_stages(_: &Setting) -> Fallible<Vec<Figure>> {
    let (stages, silent) = virtual_time()?.block_on(consulted::silent());
    found(STAGES, &silent, json!({ "stages": stages }))
}

fn unbounded_nests(setting: &Setting) -> Fallible<Vec<Figure>> {
    let plans = setting.amount(20_000, 500);
    let (mut rng, mut faults) = (rng(), Vec::new());
    virtual_time()?.block_on(async {
        for _ in 0..plans {
            faults.extend(nests::fault(&mut rng).await);
        }
    });
    found(NESTS, &faults, json!({ "nests": plans }))
}

fn out_of_order(setting: &Setting) -> Fallible<Vec<Figure>> {
    let plans = setting.amount(20_000, 500);
    let (mut rng, mut seen) = (rng(), order::Found::default());
    virtual_time()?.block_on(async {
        for _ in 0..plans {
            seen.add(&mut rng).await;
        }
    });
    let detail = json!({ "plans": plans, "starts": seen.starts, "judged": seen.judged });
    found(ORDER, &seen.faults, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::Programs;

    #[test]
    fn nothing_is_found() {
        let setting = Setting::new(false, true, Programs::beside_this_one(true).unwrap());
        for bench in BENCHES {
            for figure in (bench.run)(&setting).unwrap() {
                assert!(figure.ok, "{figure:?}");
            }
        }
    }
}
