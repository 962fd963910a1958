//! The retry budget: repetitions are paid for by successes, so that an outage is not answered with more load.

use super::{BudgetFlow, config::Budget};

/// The balance of one policy. Whole tokens, so that it is exact.
#[derive(Debug)]
pub(super) struct Purse {
    terms: Budget,
    tokens: u32,
    flow: BudgetFlow,
}

impl Purse {
    pub(super) fn new(terms: Budget) -> Self {
        Self {
            tokens: terms.tokens,
            terms,
            flow: BudgetFlow::default(),
        }
    }

    pub(super) fn tokens(&self) -> u32 {
        self.tokens
    }

    pub(super) fn flow(&self) -> BudgetFlow {
        self.flow
    }

    /// Whether less than half of it is left: the service is in trouble, and what is not needed is left out.
    pub(super) fn is_low(&self) -> bool {
        self.tokens < self.terms.tokens / 2
    }

    /// Takes the price of one repetition; `None` if the balance is too small.
    pub(super) fn withdraw(&mut self, throttled: bool) -> Option<u32> {
        let cost = if throttled {
            self.terms.throttled_cost
        } else {
            self.terms.retry_cost
        };
        let Some(left) = self.tokens.checked_sub(cost) else {
            self.flow.refused += 1;
            return None;
        };
        self.tokens = left;
        self.flow.paid += u64::from(cost);
        Some(cost)
    }

    /// Gives back the price of a repetition that succeeded or was never judged.
    pub(super) fn refund(&mut self, cost: u32) {
        self.flow.refunded += u64::from(cost);
        self.pay_in(cost);
    }

    /// Pays in for a call that succeeded at the first try.
    pub(super) fn earn(&mut self) {
        self.flow.earned += u64::from(self.terms.earned);
        self.pay_in(self.terms.earned);
    }

    fn pay_in(&mut self, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens).min(self.terms.tokens);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thirty_five_failed_retries_empty_a_full_purse() {
        let mut purse = Purse::new(Budget::default());
        for _ in 0..35 {
            assert_eq!(purse.withdraw(false), Some(14));
        }
        assert_eq!(purse.withdraw(false), None);
        assert_eq!(
            (purse.tokens(), purse.withdraw(true), purse.withdraw(true)),
            (10, Some(5), Some(5))
        );
    }

    proptest! {
        /// Against arithmetic that cannot wrap: what is in is what was paid in minus what was taken, never more than full.
        #[test]
        fn the_balance_is_exact(moves in prop::collection::vec(0u8..4, 0..2_000)) {
            let mut purse = Purse::new(Budget::default());
            let mut model = 500i64;
            let mut out = Vec::new();
            for step in moves {
                match step {
                    0 | 1 => {
                        let cost = if step == 1 { 5 } else { 14 };
                        let got = purse.withdraw(step == 1);
                        prop_assert_eq!(got.is_some(), model >= cost);
                        if let Some(got) = got {
                            prop_assert_eq!(i64::from(got), cost);
                            model -= cost;
                            out.push(got);
                        }
                    }
                    2 => {
                        purse.earn();
                        model = (model + 1).min(500);
                    }
                    _ => {
                        if let Some(cost) = out.pop() {
                            purse.refund(cost);
                            model = (model + i64::from(cost)).min(500);
                        }
                    }
                }
                prop_assert_eq!(i64::from(purse.tokens()), model);
            }
        }
    }
}
