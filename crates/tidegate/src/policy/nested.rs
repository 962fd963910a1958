//! Calls inside calls: who repeats, and who pays.
//!
//! The rules stand in the module's documentation. An inner call finds the attempt around it by the thread's slot or by the
//! nodes above it (`tenure`), and with it the *ledger* of the outermost call. The two policies are behind two locks, which
//! are never held at once: what the inner call owes is noted under its own, and settled under none.

use super::{
    Class, StopReason,
    gate::{Hold, Shared},
    outcome::Step,
    state::{Held, State},
    tenure::{Nest, Nesting, around},
};
use std::{
    fmt, mem,
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio::time::Instant;

/// What an outermost call and the calls inside it may spend together: the first nest of that call.
#[derive(Clone)]
pub(super) struct Ledger(pub(super) Arc<Nest>);

impl Ledger {
    /// Takes an attempt. `false`: none is left.
    pub(super) fn take(&self) -> bool {
        // Nothing else hangs on the number, so it needs no order.
        let Ledger(nest) = self;
        nest.further
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .is_ok()
    }

    /// Takes an attempt and its price, or neither.
    fn pay(&self, failed: Class, tried: u32) -> Result<u32, StopReason> {
        if !self.take() {
            return Err(StopReason::AttemptsExhausted { attempts: tried });
        }
        self.0
            .shared
            .with(|state, _| {
                state.tally.consulted.budget += 1;
                state.purse.withdraw(failed == Class::Throttled)
            })
            .ok_or_else(|| {
                self.0.further.fetch_add(1, Relaxed);
                StopReason::BudgetExhausted
            })
    }

    fn refund(&self, cost: u32) {
        self.0.shared.with(|state, _| state.purse.refund(cost));
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("policy", &self.0.shared.name)
            .field("further", &self.0.further)
            .finish()
    }
}

/// Who pays for the repetitions of a call.
#[derive(Debug, Default)]
pub(super) enum Payer {
    #[default]
    Own,
    /// The call itself, which is the outermost and has had others inside.
    Outermost(Ledger),
    /// The outermost call around it. Its policy is behind another lock, so [`Hold::settle`] pays.
    Outer(Ledger),
    /// Nobody: a call around it, of the same policy, repeats the whole.
    LeftToOuter,
}

impl Nesting {
    /// Who pays if an attempt that has just failed is repeated.
    pub(super) fn payer(&self, policy: &Arc<Shared>) -> Payer {
        match around() {
            Some(nest) if nest.is_repeated_by(policy) => Payer::LeftToOuter,
            Some(nest) => Payer::Outer(nest.ledger()),
            None => match self.ledger() {
                Some(ledger) => Payer::Outermost(ledger),
                None => Payer::Own,
            },
        }
    }
}

/// What a call owes to the outermost one around it, and has to give back to it.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) payer: Payer,
    /// A repetition is to be paid: after a failure of this class, on which the price depends.
    due: Option<Class>,
    /// Who paid for the repetition under way, if that was not the call's own policy: it may be polled elsewhere by now.
    paid_by: Option<Ledger>,
    back: u32,
}

impl Account {
    pub(super) fn owe(&mut self, failed: Class) {
        self.due = Some(failed);
    }

    /// The call's own policy pays.
    pub(super) fn own(&mut self) {
        self.paid_by = None;
    }

    pub(super) fn is_due(&self) -> bool {
        self.due.is_some()
    }
}

impl Hold<'_> {
    /// Has the outermost call pay for the next attempt, if one is due. Under no lock.
    pub(super) fn settle(&mut self, step: Step, tried: u32) -> Step {
        self.settle_back();
        let account = &mut self.held.account;
        let (Payer::Outer(ledger), Some(failed)) = (&account.payer, account.due.take()) else {
            return step;
        };
        let paid = ledger.pay(failed, tried);
        account.paid_by = Some(ledger.clone());
        self.shared
            .with(|state, now| state.settled(&mut self.held, step, paid, now))
    }

    /// Gives the outermost call back what was not used. Under no lock.
    pub(super) fn settle_back(&mut self) {
        let account = &mut self.held.account;
        if let (Some(ledger), back @ 1..) = (&account.paid_by, mem::take(&mut account.back)) {
            ledger.refund(back);
        }
    }
}

impl State {
    /// Takes back the price of a repetition that succeeded or was never judged.
    pub(super) fn refund(&mut self, held: &mut Held, paid: u32) {
        match held.account.paid_by {
            Some(_) => held.account.back += paid,
            None => self.purse.refund(paid),
        }
    }

    /// The outermost call has been asked to pay for `step`.
    fn settled(
        &mut self,
        held: &mut Held,
        step: Step,
        paid: Result<u32, StopReason>,
        now: Instant,
    ) -> Step {
        let step = match paid {
            Ok(cost) => {
                held.paid = cost;
                step
            }
            Err(why) => Step::Stop(why),
        };
        self.conclude(held, step, now);
        step
    }
}
