//! What repeated measurements amount to.

use serde::Serialize;

use crate::Fallible;

/// The middle half of some measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Quartiles {
    pub(crate) q1: f64,
    pub(crate) median: f64,
    pub(crate) q3: f64,
    /// How many there were.
    pub(crate) n: usize,
}

impl Quartiles {
    /// Of `values`, interpolated between neighbours.
    ///
    /// # Panics
    ///
    /// Without a value, and with one that is not a number.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        assert!(
            !values.is_empty() && !values.iter().any(|value| value.is_nan()),
            "at least one measurement, and only numbers"
        );
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (values.len() - 1) as f64;
            let (below, above) = (
                values[place.floor() as usize],
                values[place.ceil() as usize],
            );
            below + (above - below) * place.fract()
        };
        Self {
            q1: at(0.25),
            median: at(0.5),
            q3: at(0.75),
            n: values.len(),
        }
    }

    /// Of the quotients of pairs. Both halves of a pair saw the same machine, so its noise cancels, as it would not in
    /// the quotient of two medians.
    pub(crate) fn of_ratios(pairs: &[(f64, f64)]) -> Self {
        Self::of(pairs.iter().map(|(ours, theirs)| ours / theirs))
    }

    /// Of the differences of pairs, for the same reason.
    pub(crate) fn of_differences(pairs: &[(f64, f64)]) -> Self {
        Self::of(pairs.iter().map(|(ours, theirs)| ours - theirs))
    }
}

/// Measures two things alternately, each first every other time: neither always has the warmer machine.
pub(crate) fn in_turn<T>(
    rounds: usize,
    mut ours: impl FnMut() -> Fallible<T>,
    mut theirs: impl FnMut() -> Fallible<T>,
) -> Fallible<Vec<(T, T)>> {
    (0..rounds)
        .map(|round| {
            if round % 2 == 0 {
                let first = ours()?;
                Ok((first, theirs()?))
            } else {
                let first = theirs()?;
                Ok((ours()?, first))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn quartiles_lie_between_neighbours() {
        let four = Quartiles::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!(
            (four.q1, four.median, four.q3, four.n),
            (1.75, 2.5, 3.25, 4)
        );
        let five = Quartiles::of([5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!((five.q1, five.median, five.q3), (2.0, 3.0, 4.0));
        let one = Quartiles::of([7.0]);
        assert_eq!((one.q1, one.median, one.q3), (7.0, 7.0, 7.0));
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        // The machine was three times slower in the second pair: the quotients do not see it.
        let ratios = Quartiles::of_ratios(&[(1.0, 2.0), (3.0, 6.0), (4.0, 4.0)]);
        assert_eq!(ratios.median, 0.5);
        assert_eq!(ratios.q3, 0.75);
        let differences = Quartiles::of_differences(&[(3.0, 1.0), (30.0, 29.0), (5.0, 2.0)]);
        assert_eq!(differences.median, 2.0);
    }

    #[test]
    #[should_panic(expected = "at least one measurement")]
    fn nothing_has_no_quartiles() {
        Quartiles::of([]);
    }

    #[test]
    fn each_side_begins_every_other_round() {
        let order = RefCell::new(String::new());
        let say = |name: char| {
            order.borrow_mut().push(name);
            Ok(name)
        };
        let pairs = in_turn(3, || say('o'), || say('t')).unwrap();
        assert_eq!(pairs, [('o', 't'); 3]);
        assert_eq!(order.into_inner(), "ottoot");
    }
}
