//! One point again.

use crate::bank::{Bank, careless_transfer};
use std::{env, process::Command};
use tidegate_test::{Mode, Sweep, Violations};

fn careless(sweep: &Sweep) -> Violations {
    let make = || {
        let bank = Bank::new();
        (bank.clone(), careless_transfer(bank, 30))
    };
    sweep.try_run(make, Bank::check).unwrap_err()
}

#[test]
fn one_point_is_one_run() {
    let violations = careless(&Sweep::new("careless").only(Mode::Drop, 2));
    assert_eq!(violations.coverage.runs, 1);
    assert_eq!(violations.list.len(), 1);
    assert_eq!(violations.list[0].point, 2);
}

/// Runs itself again with the variable set.
#[test]
fn the_environment_picks_one_point_of_one_sweep() {
    if env::var_os("TIDEGATE_SWEEP").is_none() {
        let me = env::current_exe().unwrap();
        let again = Command::new(me)
            .args([
                "--exact",
                "replay::the_environment_picks_one_point_of_one_sweep",
            ])
            .env("TIDEGATE_SWEEP", "careless=drop:2")
            .output()
            .unwrap();
        assert!(
            again.status.success(),
            "{}",
            String::from_utf8_lossy(&again.stdout)
        );
        return;
    }
    let violations = careless(&Sweep::new("careless"));
    assert_eq!((violations.coverage.runs, violations.list[0].point), (1, 2));
    let violations = careless(&Sweep::new("another"));
    assert!(violations.coverage.runs > 1);
}
