//! What a call that succeeds takes from the allocator. Counted in a process of its own: a counting allocator is slower.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::suite::{Bench, Setting};

const ALLOCATIONS: Wanted = Wanted::at_most("policy/five_stages_allocations", "allocations", 0.0);

pub(super) const BENCH: Bench = Bench {
    figures: &[ALLOCATIONS],
    peers: false,
    run: allocations,
};

/// The worst of the ways in which an attempt can succeed. The call's future is the caller's, and stands in its frame.
fn allocations(setting: &Setting) -> Fallible<Vec<Figure>> {
    let output = Command::new(setting.programs.policy_allocations()?)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("counting allocations: {}", output.status).into());
    }
    let detail: Value = serde_json::from_slice(&output.stdout)?;
    let counts = detail.as_object().ok_or("not an object")?.values();
    let worst = counts.filter_map(Value::as_f64).fold(0.0, f64::max);
    Ok(vec![ALLOCATIONS.measured(worst, detail)])
}
