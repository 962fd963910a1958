//! Index-addressed slots; a free slot stores the next free one, so an entry costs no more than its own size.

pub(super) const NONE: u32 = u32::MAX;

pub(super) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    len: u32,
}

enum Slot<T> {
    Used(T),
    Free(u32),
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Slab {
            slots: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        if self.free == NONE {
            let key = u32::try_from(self.slots.len()).expect("a node has fewer than 2^32 entries");
            self.slots.push(Slot::Used(value));
            return key;
        }
        let key = self.free;
        let slot = &mut self.slots[key as usize];
        if let Slot::Free(next) = std::mem::replace(slot, Slot::Used(value)) {
            self.free = next;
        }
        key
    }

    pub(super) fn remove(&mut self, key: u32) -> Option<T> {
        let slot = self.slots.get_mut(key as usize)?;
        if matches!(slot, Slot::Free(_)) {
            return None;
        }
        let old = std::mem::replace(slot, Slot::Free(self.free));
        self.free = key;
        self.len -= 1;
        if self.len == 0 {
            // A burst of children must not keep its memory, nor its long chain of free slots.
            self.slots.clear();
            self.free = NONE;
        }
        match old {
            Slot::Used(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        match self.slots.get_mut(key as usize)? {
            Slot::Used(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Used(value) => Some(value),
            Slot::Free(_) => None,
        })
    }

    pub(super) fn iter_keyed(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = (0..).zip(&self.slots);
        slots.filter_map(|(key, slot)| match slot {
            Slot::Used(value) => Some((key, value)),
            Slot::Free(_) => None,
        })
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Used(value) => Some(value),
            Slot::Free(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn a_freed_slot_is_used_again() {
        let mut slab = Slab::new();
        let (a, b) = (slab.insert('a'), slab.insert('b'));
        assert_eq!(slab.remove(a), Some('a'));
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.insert('c'), a);
        assert_eq!(slab.get_mut(b), Some(&mut 'b'));
        assert_eq!(slab.iter().collect::<String>(), "cb");
    }

    #[test]
    fn an_emptied_slab_starts_anew() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..3).map(|n| slab.insert(n)).collect();
        keys.iter()
            .for_each(|key| assert!(slab.remove(*key).is_some()));
        assert_eq!(slab.insert(9), 0);
        assert_eq!(slab.iter().copied().collect::<Vec<_>>(), [9]);
    }
}
