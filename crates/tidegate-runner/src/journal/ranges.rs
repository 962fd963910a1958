//! The set of settled positions, as a mark and the ranges above it.

use std::collections::BTreeMap;

/// Positions that need no more work: all below [`Settled::mark`], and ranges above it.
///
/// Memory grows with the number of gaps, not of records: a record that is parked for minutes while millions finish
/// behind it costs one range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    mark: u64,
    /// Start → end (exclusive); apart from each other and from the mark by at least one position.
    above: BTreeMap<u64, u64>,
}

/// The stored bytes are not ranges that this program wrote.
#[derive(Debug, thiserror::Error)]
#[error("the journal's list of settled positions is damaged")]
pub struct Corrupt;

impl Settled {
    /// The first position that is not settled.
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// How many positions are settled.
    pub fn count(&self) -> u64 {
        self.mark
            + self
                .above
                .iter()
                .map(|(start, end)| end - start)
                .sum::<u64>()
    }

    /// The first position above every settled one.
    pub fn end(&self) -> u64 {
        self.above
            .last_key_value()
            .map_or(self.mark, |(_, end)| *end)
    }

    /// Whether `position` is settled.
    pub fn contains(&self, position: u64) -> bool {
        position < self.mark
            || self
                .above
                .range(..=position)
                .next_back()
                .is_some_and(|(_, end)| position < *end)
    }

    /// Settles `position`. False if it was settled before.
    pub fn insert(&mut self, position: u64) -> bool {
        if self.contains(position) {
            return false;
        }
        let mut start = position;
        let mut end = position + 1;
        if let Some(after) = self.above.remove(&end) {
            end = after;
        }
        if position == self.mark {
            self.mark = end;
            return true;
        }
        if let Some((&before, &reach)) = self.above.range(..position).next_back()
            && reach == position
        {
            start = before;
        }
        self.above.insert(start, end);
        true
    }

    /// As bytes: the mark, then gap and length of each range, all as variable-length integers.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(10 + self.above.len() * 4);
        write_varint(&mut bytes, self.mark);
        let mut last = self.mark;
        for (&start, &end) in &self.above {
            write_varint(&mut bytes, start - last);
            write_varint(&mut bytes, end - start);
            last = end;
        }
        bytes
    }

    /// The inverse of [`Settled::to_bytes`].
    ///
    /// # Errors
    /// [`Corrupt`] if the bytes are cut short, empty ranges or numbers beyond 64 bits.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Settled, Corrupt> {
        let mark = read_varint(&mut bytes)?;
        let mut above = BTreeMap::new();
        let mut last = mark;
        while !bytes.is_empty() {
            let gap = read_varint(&mut bytes)?;
            let length = read_varint(&mut bytes)?;
            if gap == 0 || length == 0 {
                return Err(Corrupt);
            }
            let start = last.checked_add(gap).ok_or(Corrupt)?;
            last = start.checked_add(length).ok_or(Corrupt)?;
            above.insert(start, last);
        }
        Ok(Settled { mark, above })
    }
}

fn write_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Result<u64, Corrupt> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Corrupt)?;
        *bytes = rest;
        if shift == 63 && byte > 1 {
            return Err(Corrupt);
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_straggler_costs_one_range() {
        let mut settled = Settled::default();
        for position in (0..1_000).filter(|position| *position != 10) {
            assert!(settled.insert(position));
        }
        assert_eq!(
            (settled.mark(), settled.above.len(), settled.count()),
            (10, 1, 999)
        );
        assert!(settled.insert(10));
        assert_eq!((settled.mark(), settled.above.len()), (1_000, 0));
    }

    proptest! {
        #[test]
        fn ranges_agree_with_a_set(positions in proptest::collection::vec(0u64..60, 0..80)) {
            let mut settled = Settled::default();
            let mut model = BTreeSet::new();
            for position in positions {
                prop_assert_eq!(settled.insert(position), model.insert(position));
                prop_assert_eq!(settled.count(), model.len() as u64);
                prop_assert_eq!(settled.mark(), (0..).find(|p| !model.contains(p)).expect("the model is finite"));
                prop_assert_eq!(settled.end(), model.last().map_or(0, |last| last + 1));
                for position in 0..62 {
                    prop_assert_eq!(settled.contains(position), model.contains(&position));
                }
            }
            prop_assert_eq!(Settled::from_bytes(&settled.to_bytes()).expect("own bytes"), settled);
        }

        #[test]
        fn damaged_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(settled) = Settled::from_bytes(&bytes) {
                prop_assert_eq!(Settled::from_bytes(&settled.to_bytes()).expect("own bytes"), settled);
            }
        }
    }
}
