//! The child that computes the newest view, on every core.

use crate::fractal::{self, View};
use std::io;
use tidegate::{Scope, ScopeError, StopFlag, offload::Pool, scope, stream::Sender};
use tokio::sync::watch;

/// Iterations of the first pass over a view; each further pass has twice as many.
const FIRST_DEPTH: u32 = 1 << 12;

/// What lies in the set costs the whole depth, so the last one keeps the cores busy for minutes.
const PASSES: u32 = 13;

/// The parts of a pass; more than there are cores on most machines.
const PARTS: u16 = 16;

/// A picture to be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) view: View,
    pub(crate) size: (u16, u16),
    /// Tells the rows of one order from those of the one before.
    pub(crate) serial: u64,
}

/// A row that is done.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) serial: u64,
    pub(crate) row: u16,
    pub(crate) depth: u32,
    pub(crate) escapes: Vec<Option<u32>>,
}

/// Computes what was ordered last. A newer order drops the scope of the one before, which tells its parts to stop.
pub(crate) async fn paint(
    mut orders: watch::Receiver<Order>,
    rows: Sender<Row>,
    pool: Pool,
) -> io::Result<()> {
    loop {
        let order = *orders.borrow_and_update();
        let news = tokio::select! {
            done = picture(order, &rows, &pool) => {
                done.map_err(io::Error::other)?;
                orders.changed().await
            }
            news = orders.changed() => news,
        };
        if news.is_err() {
            return Ok(());
        }
    }
}

async fn picture(
    order: Order,
    rows: &Sender<Row>,
    pool: &Pool,
) -> Result<(), ScopeError<io::Error>> {
    let depths = (0..PASSES).map(|pass| FIRST_DEPTH << pass);
    // One scope for all passes, so that no core waits for the slowest part of a pass.
    scope("picture", async |s: &Scope<io::Error>| {
        for (depth, part) in depths.flat_map(|depth| (0..PARTS).map(move |part| (depth, part))) {
            let rows = rows.clone();
            let compute = move |stop: &StopFlag| {
                give_way();
                part_of(order, part, depth, &rows, stop);
                Ok(())
            };
            // Waits for a place: nothing is prepared that the pool cannot take.
            drop(pool.spawn(s, "part", compute).await);
        }
        Ok(())
    })
    .await
}

/// Every so-manieth row, so that all parts are about as much work.
fn part_of(order: Order, part: u16, depth: u32, rows: &Sender<Row>, stop: &StopFlag) {
    let Order { view, size, serial } = order;
    for row in (part..size.1).step_by(usize::from(PARTS)) {
        let Some(escapes) = fractal::row(view, size, row, depth, stop) else {
            return;
        };
        let row = Row {
            serial,
            row,
            depth,
            escapes,
        };
        // Waits for the screen when that is behind; it has gone when the program ends.
        if rows.blocking_send(row).is_err() {
            return;
        }
    }
}

/// Lets every other thread that wants a core have it first. A thread that computes can wait; a person does not.
#[cfg(target_os = "linux")]
fn give_way() {
    // On Linux this is a matter of the calling thread. Refused, the picture comes all the same.
    let _refused = rustix::process::setpriority_process(None, 10);
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}
