//! The program that looks right: every await in it is ready, so that no test that waits for a `Pending` sees it.

use crate::support::line_of;
use std::sync::Arc;
use tidegate_test::{Mode, Sweep};
use tokio::sync::{Mutex, mpsc};

const HERE: &str = include_str!("bank.rs");

pub(crate) struct Bank {
    from: Mutex<i64>,
    to: Mutex<i64>,
    log: mpsc::Sender<i64>,
    _reader: Mutex<mpsc::Receiver<i64>>,
}

impl Bank {
    pub(crate) fn new() -> Arc<Bank> {
        let (log, reader) = mpsc::channel(8);
        Arc::new(Bank {
            from: Mutex::new(100),
            to: Mutex::new(0),
            log,
            _reader: Mutex::new(reader),
        })
    }

    /// No money is lost, and nobody holds a lock.
    pub(crate) fn check(bank: &Arc<Bank>) -> Result<(), String> {
        let from = bank.from.try_lock().map_err(|_| "still locked")?;
        let to = bank.to.try_lock().map_err(|_| "still locked")?;
        match *from + *to {
            100 => Ok(()),
            sum => Err(format!("the money is {sum}")),
        }
    }
}

/// Loses the money when it is stopped at its second or its third await.
pub(crate) async fn careless_transfer(bank: Arc<Bank>, amount: i64) {
    *bank.from.lock().await -= amount;
    bank.log.send(amount).await.expect("there is a reader");
    *bank.to.lock().await += amount;
}

async fn careful_transfer(bank: Arc<Bank>, amount: i64) {
    let line = bank.log.reserve().await.expect("there is a reader");
    let mut from = bank.from.lock().await;
    let mut to = bank.to.lock().await;
    *from -= amount;
    *to += amount;
    line.send(amount);
}

#[test]
fn money_lost_between_two_ready_awaits_is_found_at_its_line() {
    let violations = Sweep::new("careless")
        .modes([Mode::Drop])
        .try_run(
            || {
                let bank = Bank::new();
                (bank.clone(), careless_transfer(bank, 30))
            },
            Bank::check,
        )
        .unwrap_err();
    let lines: Vec<u32> = violations.list.iter().map(|v| v.awaits[0].line).collect();
    let loses = ["bank.log.send", "*bank.to.lock()"].map(|code| line_of(HERE, code));
    assert_eq!(lines, loses, "{violations}");
    let first = &violations.list[0];
    assert!(first.awaits[0].file.ends_with("tests/harness/bank.rs"));
    assert_eq!((first.mode, first.point), (Some(Mode::Drop), 2));
    assert_eq!(first.what, "the money is 70");
    assert_eq!(
        first.replay.as_deref(),
        Some("TIDEGATE_SWEEP=\"careless=drop:2\"")
    );
}

#[test]
fn a_transfer_that_reserves_first_passes_at_every_await() {
    let coverage = Sweep::new("careful")
        .modes([Mode::Drop, Mode::Cancel, Mode::Panic])
        .run(
            || {
                let bank = Bank::new();
                (bank.clone(), careful_transfer(bank, 30))
            },
            Bank::check,
        );
    assert_eq!((coverage.points, coverage.forced), (3, 3));
    // Three modes, each before the first poll and at three points.
    assert_eq!(coverage.runs, 12);
}
