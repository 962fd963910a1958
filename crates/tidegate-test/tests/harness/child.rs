//! A bug in a child, which a sweep of the parent's own awaits would not see.

use crate::support::line_of;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::SeqCst},
};
use tidegate::{Scope, scope};
use tidegate_test::{Mode, Sweep, Violations};
use tokio::sync::Semaphore;

#[derive(Default)]
struct Stock {
    /// Taken off the shelf and not yet in the parcel: must be 0 in the end.
    in_hand: AtomicI64,
}

/// Puts back what it has in hand when it is dropped.
struct InHand(Arc<Stock>);

impl InHand {
    fn take(stock: &Arc<Stock>) -> Self {
        stock.in_hand.fetch_add(1, SeqCst);
        InHand(stock.clone())
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, SeqCst);
    }
}

async fn pack_carelessly(stock: Arc<Stock>, parcels: Arc<Semaphore>) -> Result<(), String> {
    stock.in_hand.fetch_add(1, SeqCst);
    let parcel = parcels.acquire().await;
    stock.in_hand.fetch_sub(1, SeqCst);
    parcel.map(drop).map_err(|_| "closed".into())
}

async fn pack_carefully(stock: Arc<Stock>, parcels: Arc<Semaphore>) -> Result<(), String> {
    let _in_hand = InHand::take(&stock);
    let parcel = parcels.acquire().await;
    parcel.map(drop).map_err(|_| "closed".into())
}

/// One parcel for two packers.
fn pack<F>(
    mode: Mode,
    packer: impl Fn(Arc<Stock>, Arc<Semaphore>) -> F + Clone,
) -> Result<tidegate_test::Coverage, Violations>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    Sweep::new("pack").modes([mode]).try_run(
        || {
            let stock = Arc::new(Stock::default());
            let (packer, theirs) = (packer.clone(), stock.clone());
            let work = scope("packing", async move |s: &Scope<String>| {
                let parcels = Arc::new(Semaphore::new(1));
                let first = s
                    .spawn("first", packer(theirs.clone(), parcels.clone()))
                    .await;
                let second = s.spawn("second", packer(theirs, parcels)).await;
                let _ended = (first.await, second.await);
                Ok(())
            });
            (stock, work)
        },
        |stock| match stock.in_hand.load(SeqCst) {
            0 => Ok(()),
            n => Err(format!("{n} in hand")),
        },
    )
}

#[test]
fn a_bug_in_a_child_is_found_at_its_line() {
    let loses = line_of(include_str!("child.rs"), "let parcel = ");
    for mode in [Mode::Cancel, Mode::Drop, Mode::Panic] {
        let violations = pack(mode, pack_carelessly).unwrap_err();
        let at = violations
            .list
            .iter()
            .find(|v| v.awaits.iter().any(|place| place.line == loses));
        let found = at.unwrap_or_else(|| panic!("{mode}: not at line {loses}: {violations}"));
        assert!(found.awaits[0].file.ends_with("tests/harness/child.rs"));
        let (name, _) = found.task.expect("a point has a task");
        assert!(["first", "second"].contains(&name), "{violations}");
    }
}

#[test]
fn a_child_that_puts_back_what_it_holds_passes() {
    for mode in [Mode::Cancel, Mode::Drop, Mode::Panic] {
        let coverage = pack(mode, pack_carefully).unwrap_or_else(|v| panic!("{v}"));
        assert!(coverage.points > 2, "{coverage}");
        assert_eq!(coverage.runs, coverage.points + 1);
    }
}

#[test]
fn a_child_that_is_made_to_panic_fails_its_scope() {
    let coverage = Sweep::new("fails").modes([Mode::Panic]).run(
        || {
            // Whether the child has come to its end, and whether the scope says that all went well.
            let seen = Arc::new([AtomicI64::new(0), AtomicI64::new(0)]);
            let mine = seen.clone();
            let program = async move {
                let theirs = mine.clone();
                let ended = scope("fails", async |s: &Scope<String>| {
                    let child = async move {
                        tokio::task::yield_now().await;
                        theirs[0].store(1, SeqCst);
                        Ok(())
                    };
                    drop(s.spawn("child", child).await);
                    Ok(())
                });
                if ended.await.is_ok() {
                    mine[1].store(1, SeqCst);
                }
            };
            (seen, program)
        },
        |seen| match (seen[0].load(SeqCst), seen[1].load(SeqCst)) {
            (0, 1) => Err("the scope does not know of the panic".into()),
            _ => Ok(()),
        },
    );
    assert!(coverage.points > 2, "{coverage}");
}
