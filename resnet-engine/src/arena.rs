//! The places of values in one buffer.

use alloc::vec::Vec;
use core::ops::Range;

/// Number of bytes that every place starts at a multiple of: two cache lines.
const ALIGN: usize = 128;

/// Assigns places to values, so that values that exist at the same time do not overlap.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// The places in use, sorted.
    used: Vec<Range<usize>>,
    /// The end of the last place that was ever used.
    length: usize,
}

impl Arena {
    /// Returns the first free place with room for `length` bytes.
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
        let first = arena.take(160);
        let second = arena.take(40);
        assert_eq!((first.clone(), second.clone()), (0..160, 256..296));
        arena.give(&first);
        assert_eq!(arena.take(80), 0..80);
        assert_eq!(arena.take(160), 384..544);
        assert_eq!(arena.take(128), 128..256);
        assert_eq!(arena.take(0), 0..0);
        assert_eq!(arena.length(), 544);
    }
}
