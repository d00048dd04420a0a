//! The places of values in one buffer.

use alloc::vec::Vec;
use core::ops::Range;

/// Number of values that every place is a multiple of: two cache lines.
const ALIGN: usize = 32;

/// Assigns places to values, so that values that exist at the same time do not overlap.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// The places in use, sorted.
    used: Vec<Range<usize>>,
    /// The end of the last place that was ever used.
    length: usize,
}

impl Arena {
    /// Returns the first free place with room for `length` values.
    pub(crate) fn take(&mut self, length: usize) -> Range<usize> {
        if length == 0 {
            return 0..0;
        }
        let mut start = 0;
        let mut index = 0;
        for used in &self.used {
            if start + length <= used.start {
                break;
            }
            start = used.end.next_multiple_of(ALIGN);
            index += 1;
        }
        let place = start..start + length;
        self.used.insert(index, place.clone());
        self.length = self.length.max(place.end);
        place
    }

    /// Marks a place as free.
    pub(crate) fn give(&mut self, place: &Range<usize>) {
        self.used.retain(|used| used != place);
    }

    /// Returns the length of the buffer.
    pub(crate) fn length(&self) -> usize {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_places_are_used_again() {
        let mut arena = Arena::default();
        let first = arena.take(40);
        let second = arena.take(10);
        assert_eq!((first.clone(), second.clone()), (0..40, 64..74));
        arena.give(&first);
        assert_eq!(arena.take(20), 0..20);
        assert_eq!(arena.take(40), 96..136);
        assert_eq!(arena.take(32), 32..64);
        assert_eq!(arena.take(0), 0..0);
        assert_eq!(arena.length(), 136);
    }
}
