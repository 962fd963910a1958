//! Two futures that do the same, one beside the other.

use std::future::Future;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Quartiles, cpu_of, in_turn, one_thread};
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::suite::Setting;

/// CPU time of ours over theirs; both do `n` things.
pub(crate) fn ratio<O: Future, T: Future>(
    setting: &Setting,
    wanted: Wanted,
    n: usize,
    ours: impl Fn() -> O,
    theirs: impl Fn() -> T,
) -> Fallible<Vec<Figure>> {
    let pairs = nanos_each(setting, n, ours, theirs)?;
    let ratios = Quartiles::of_ratios(&pairs);
    Ok(vec![
        wanted.measured(ratios.median, detail("ratio", ratios, &pairs)),
    ])
}

/// CPU time of ours less theirs, for one of the `n` things that both do, in nanoseconds.
pub(crate) fn difference<O: Future, T: Future>(
    setting: &Setting,
    wanted: Wanted,
    n: usize,
    ours: impl Fn() -> O,
    theirs: impl Fn() -> T,
) -> Fallible<Vec<Figure>> {
    let pairs = nanos_each(setting, n, ours, theirs)?;
    let over = Quartiles::of_differences(&pairs);
    Ok(vec![wanted.measured(
        over.median,
        detail("difference_ns", over, &pairs),
    )])
}

fn detail(name: &str, middle: Quartiles, pairs: &[(f64, f64)]) -> Value {
    json!({
        name: middle,
        "ours_ns": Quartiles::of(pairs.iter().map(|pair| pair.0)),
        "theirs_ns": Quartiles::of(pairs.iter().map(|pair| pair.1)),
    })
}

/// What one of the `n` things that both do costs us and them, in nanoseconds of CPU time, in pairs.
pub(crate) fn nanos_each<O: Future, T: Future>(
    setting: &Setting,
    n: usize,
    ours: impl Fn() -> O,
    theirs: impl Fn() -> T,
) -> Fallible<Vec<(f64, f64)>> {
    let runtime = one_thread()?;
    let ours = || nanos(&runtime, n, &ours);
    let theirs = || nanos(&runtime, n, &theirs);
    // Code and memory are warm from here on.
    ours()?;
    theirs()?;
    in_turn(setting.amount(31, 5), ours, theirs)
}

fn nanos<F: Future>(runtime: &Runtime, n: usize, work: impl Fn() -> F) -> Fallible<f64> {
    // So that a measurement takes some tens of milliseconds: what is measured costs about 100 ns.
    let times = (400_000 / n).max(1);
    let (cpu, ()) = cpu_of(runtime, async {
        for _ in 0..times {
            work().await;
        }
    })?;
    Ok(cpu.as_secs_f64() * 1e9 / (n * times) as f64)
}
