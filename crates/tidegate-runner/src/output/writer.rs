//! The thread that owns the sink and the journal.

use super::{
    Opened, Target,
    commit::{Commit as Batch, CommitError, Receipt, Store},
};
use crate::journal::{Lease, Phase, SourceMark};
use tidegate::stream::{Receiver, Sender, channel};

pub(crate) use super::commit::Commit;

/// Batches under way before the engine waits: one in the making at the disk, the others ready.
const QUEUE: usize = 4;

/// How a run ends.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) phase: Phase,
    /// The source with the hash of its bytes before the mark.
    pub(crate) source: Option<SourceMark>,
}

/// Why the writer has stopped. What was committed before stands.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WriterError(pub(crate) String);

#[derive(Debug)]
enum Order {
    Commit(Batch),
    End(Ending),
}

/// The engine's end: batches go in, receipts come out, in the same order.
#[derive(Debug)]
pub(crate) struct Writer {
    orders: Sender<Order>,
    receipts: Receiver<Result<Receipt, WriterError>>,
    /// Batches without a receipt.
    pub(crate) open: usize,
    /// A commit has failed: nothing after it becomes durable.
    pub(crate) failed: bool,
    /// The sink judges rows one by one: they keep their records.
    pub(crate) may_refuse: bool,
}

impl Writer {
    /// The engine's end and the body of the thread.
    pub(crate) fn new(opened: Opened) -> (Writer, impl FnOnce() + Send) {
        let (orders, incoming) = channel(QUEUE + 1);
        // A receipt for each order that can be under way: the thread never waits to answer.
        let (outgoing, receipts) = channel(QUEUE + 2);
        let Opened {
            lease,
            connection,
            journal,
            target,
            dead_file,
            ..
        } = opened;
        let may_refuse = matches!(target, Target::Table(_));
        let store = Store {
            connection,
            journal,
            target,
            dead_file,
            stale_letters: false,
        };
        (
            Writer {
                orders,
                receipts,
                open: 0,
                failed: false,
                may_refuse,
            },
            move || serve(store, lease, incoming, outgoing),
        )
    }

    /// Whether a batch can be handed over now.
    pub(crate) fn has_room(&self) -> bool {
        self.open < QUEUE
    }

    /// Hands a batch over. Only when there is room.
    pub(crate) fn commit(&mut self, batch: Batch) -> Result<(), WriterError> {
        self.send(Order::Commit(batch))
    }

    /// Asks for the end, after all batches; its receipt is the last.
    pub(crate) fn end(&mut self, ending: Ending) -> Result<(), WriterError> {
        self.send(Order::End(ending))
    }

    fn send(&mut self, order: Order) -> Result<(), WriterError> {
        self.orders
            .try_send(order)
            .map_err(|_| WriterError("the writer has ended".to_owned()))?;
        self.open += 1;
        Ok(())
    }

    /// The next receipt.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(crate) async fn receipt(&mut self) -> Result<Receipt, WriterError> {
        let receipt = self.receipts.recv().await;
        self.open = self.open.saturating_sub(1);
        receipt.unwrap_or_else(|| Err(WriterError("the writer has ended".to_owned())))
    }
}

fn serve(
    mut store: Store,
    _lease: Lease,
    mut orders: Receiver<Order>,
    receipts: Sender<Result<Receipt, WriterError>>,
) {
    while let Some(order) = orders.blocking_recv() {
        let (result, last) = match order {
            Order::Commit(batch) => (store.commit(batch).map_err(WriterError::from), false),
            Order::End(ending) => (
                store
                    .end(&ending)
                    .map(|()| Receipt::default())
                    .map_err(WriterError::from),
                true,
            ),
        };
        let failed = result.is_err();
        // After a failure nothing that follows may become durable: its ranges count the lost batch as settled.
        if receipts.blocking_send(result).is_err() || failed || last {
            return;
        }
    }
}

impl Store {
    fn end(&mut self, ending: &Ending) -> Result<(), CommitError> {
        self.journal
            .end(&self.connection, ending.phase, ending.source.as_ref())?;
        if let Some(file) = self.dead_file.as_mut().filter(|_| self.stale_letters) {
            file.render_again(&self.connection, &self.journal)
                .map_err(|error| CommitError::DeadFile(std::io::Error::other(error)))?;
        }
        Ok(())
    }
}

impl From<CommitError> for WriterError {
    fn from(error: CommitError) -> Self {
        WriterError(error.to_string())
    }
}
