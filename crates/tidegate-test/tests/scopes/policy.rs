//! Policies: a call that is stopped gives back whatever it holds.

use std::{convert::Infallible, sync::Arc};

use tidegate::{Scope, scope};
use tidegate_test::{Mode, Sweep};

// The programs of the core's own tests, which stop them at polls; here at every await, and by a cancel too.
#[path = "../../../tidegate/tests/policy/proofs/stops.rs"]
mod stops;

use stops::{PROGRAMS, Program, Subject};

async fn run(subject: Arc<Subject>) {
    let ended = scope("calls", async |s: &Scope<Infallible>| {
        for call in subject.calls() {
            let call = async move {
                call.await;
                Ok(())
            };
            drop(s.spawn("call", call).await);
        }
        Ok(())
    });
    drop(ended.await);
}

fn swept(program: &'static Program) {
    let modes = [Mode::Drop, Mode::Cancel, Mode::Panic];
    let coverage = Sweep::new(program.name).modes(modes).run(
        || {
            let subject = Subject::new(program);
            (Arc::clone(&subject), run(subject))
        },
        |subject| subject.left(),
    );
    assert!(coverage.points > 6, "{coverage}");
}

#[test]
fn every_permit_place_token_and_probe_comes_back() {
    for program in PROGRAMS {
        swept(program);
    }
}
