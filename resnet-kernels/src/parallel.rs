//! Parallel loops over all cores.

use alloc::vec::Vec;
use core::marker::PhantomData;
use core::mem::replace;
use core::ops::Range;

/// Number of values below which more cores give no speedup.
const SMALL: usize = 16 * 1024;

/// Number of parts per core. With several parts, the other cores take over from a core that starts
/// late.
const PARTS: usize = 4;

/// Returns the number of threads of the pool. `RAYON_NUM_THREADS` sets it.
pub fn cores() -> usize {
    pool::cores()
}

/// Runs `work` on a thread of the pool, where [`each`] starts no jobs on the heap.
pub fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    pool::install(work)
}

/// Calls `work` with each index below `count`, on the calling thread and the threads of the pool.
pub fn each(count: usize, work: impl Fn(usize) + Sync) {
    match count.min(cores()).saturating_sub(1) {
        0 => (0..count).for_each(work),
        others => pool::each(count, others, &work),
    }
}

/// Calls `work` with each part, like [`each`].
pub fn each_of<T: Send>(parts: Vec<T>, work: impl Fn(T) + Sync) {
    match parts.len().min(cores()).saturating_sub(1) {
        0 => parts.into_iter().for_each(work),
        others => pool::each_of(parts, others, &work),
    }
}

/// Returns the results of `work` for all parts, in order.
pub fn map<T: Send, R: Send>(
    parts: impl ExactSizeIterator<Item = T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let mut results: Vec<_> = (0..parts.len()).map(|_| None).collect();
    each_of(parts.zip(&mut results).collect(), |(part, result)| {
        *result = Some(work(part));
    });
    results.into_iter().flatten().collect()
}

/// Calls `work` with chunks of `out`, in parallel.
///
/// The function splits `out` into images of `image` values, and images into chunks of `step`
/// values. `work` receives the index of the image, the start of the chunk in the image, and the
/// chunk.
///
/// # Panics
///
/// Panics if `image` or `step` is zero and `out` is not empty.
pub fn chunks<T: Send>(
    out: &mut [T],
    image: usize,
    step: usize,
    work: impl Fn(usize, usize, &mut [T]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    assert!(
        image > 0 && step > 0,
        "expected chunks, found {image} {step}"
    );
    if out.len() <= SMALL {
        for (number, out) in out.chunks_mut(image).enumerate() {
            for (index, out) in out.chunks_mut(step).enumerate() {
                work(number, index * step, out);
            }
        }
        return;
    }
    let size = out.len().div_ceil(step).div_ceil(PARTS * cores()) * step;
    let parts = Parts::new(out, image, size);
    each(parts.count(), |part| {
        // SAFETY: `each` passes every index once.
        let (number, start, out) = unsafe { parts.get(part) };
        for (index, out) in out.chunks_mut(step).enumerate() {
            work(number, start + index * step, out);
        }
    });
}

/// Calls `work` like [`chunks`], with the chunks of two outputs of the same length.
///
/// # Panics
///
/// Panics if the outputs differ in length, or like [`chunks`].
pub fn chunks_of_two<A: Send, B: Send>(
    first: &mut [A],
    second: &mut [B],
    image: usize,
    step: usize,
    work: impl Fn(usize, usize, &mut [A], &mut [B]) + Sync,
) {
    assert_eq!(first.len(), second.len());
    if first.is_empty() {
        return;
    }
    assert!(
        image > 0 && step > 0,
        "expected chunks, found {image} {step}"
    );
    let (first, second) = (
        Parts::new(first, image, step),
        Parts::new(second, image, step),
    );
    each(first.count(), |part| {
        // SAFETY: `each` passes every index once.
        let ((number, start, first), (.., second)) = unsafe { (first.get(part), second.get(part)) };
        if !first.is_empty() {
            work(number, start, first, second);
        }
    });
}

/// A slice split into images, and images into parts of at most `size` values.
struct Parts<'a, T> {
    values: Shared<'a, T>,
    image: usize,
    size: usize,
    /// Number of parts in an image.
    of_image: usize,
}

impl<'a, T> Parts<'a, T> {
    fn new(values: &'a mut [T], image: usize, size: usize) -> Self {
        Self {
            image,
            size,
            of_image: image.min(values.len()).div_ceil(size),
            values: Shared::new(values),
        }
    }

    fn count(&self) -> usize {
        self.values.len().div_ceil(self.image) * self.of_image
    }

    /// Returns the image of a part, its start in the image and its values. The last image may lack
    /// parts; they are empty.
    ///
    /// # Safety
    ///
    /// Only one caller holds a part at a time.
    unsafe fn get(&self, part: usize) -> (usize, usize, &'a mut [T]) {
        let (number, start) = (part / self.of_image, part % self.of_image * self.size);
        let end = (number + 1)
            .saturating_mul(self.image)
            .min(self.values.len());
        let from = end.min(number * self.image + start);
        let to = end.min(from.saturating_add(self.size));
        // SAFETY: the parts do not overlap.
        (number, start, unsafe { self.values.slice(from..to) })
    }
}

/// A slice of which several threads write different parts.
pub(crate) struct Shared<'a, T> {
    values: *mut T,
    length: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: the threads access different parts.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(values: &'a mut [T]) -> Self {
        Self {
            length: values.len(),
            values: values.as_mut_ptr(),
            slice: PhantomData,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Returns a part of the slice.
    ///
    /// # Panics
    ///
    /// Panics if the range is outside of the slice.
    ///
    /// # Safety
    ///
    /// No other part that is in use overlaps this one.
    #[allow(clippy::mut_from_ref, reason = "the parts do not overlap")]
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.length);
        // SAFETY: the range is inside the slice, and the caller guarantees that it is unused.
        unsafe { core::slice::from_raw_parts_mut(self.values.add(range.start), range.len()) }
    }
}

/// Splits `0..length` into `count` ranges of nearly equal length.
pub fn ranges(length: usize, count: usize) -> impl Iterator<Item = Range<usize>> {
    let (whole, rest) = parts(length, count);
    // Like `range`, but without divisions.
    let (mut start, mut excess) = (0, 0);
    (0..count).map(move |_| {
        let mut end = start + whole;
        excess += rest;
        if excess >= count {
            excess -= count;
            end += 1;
        }
        replace(&mut start, end)..end
    })
}

/// Returns one of the [`ranges`].
pub fn range(length: usize, count: usize, index: usize) -> Range<usize> {
    // Computes `length * index / count` without overflow.
    let (whole, rest) = parts(length, count);
    let at = |index: usize| whole * index + rest * index / count;
    at(index)..at(index + 1)
}

/// Returns the least length of `count` ranges, and how many are longer by 1.
fn parts(length: usize, count: usize) -> (usize, usize) {
    match count {
        0 => (0, 0),
        count => (length / count, length % count),
    }
}

/// rayon's global pool.
#[cfg(feature = "std")]
mod pool {
    use core::hint;
    use core::ops::Range;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};

    use super::range;
    use crate::threads;

    /// Most shares of the work of a call.
    const SHARES: usize = 16;

    /// A counter on a cache line of its own.
    #[repr(align(64))]
    struct Line(AtomicUsize);

    /// Number of polls for the other threads before the calling thread sleeps.
    const SPINS: usize = 2_000;

    pub(super) fn cores() -> usize {
        threads::count()
    }

    pub(super) fn install<R: Send>(work: impl FnOnce() -> R + Send) -> R {
        // A scope would run `work` on the calling thread.
        match threads::count() {
            0 | 1 => work(),
            _ => rayon::join(work, || ()).0,
        }
    }

    /// Calls `work` with each index, on the calling thread and up to `others` threads of the pool.
    ///
    /// A thread starts with the same share of the indices in each call, so that it finds in its
    /// cache what it wrote in the call before, and then helps with the shares of the others.
    pub(super) fn each(count: usize, others: usize, work: &(impl Fn(usize) + Sync)) {
        let shares = (others + 1).min(SHARES);
        let done = [const { Line(AtomicUsize::new(0)) }; SHARES];
        let take = || {
            let own = rayon::current_thread_index().unwrap_or(others);
            for share in (0..shares).map(|turn| (own + turn) % shares) {
                let Range { start, end } = range(count, shares, share);
                let done = &done[share].0;
                while done.load(Ordering::Relaxed) < end - start {
                    match done.fetch_add(1, Ordering::Relaxed) {
                        index if index < end - start => work(start + index),
                        _ => break,
                    }
                }
            }
        };
        match rayon::current_thread_index() {
            Some(_) => join(others, &take),
            None => outside(others, &take),
        }
    }

    /// Runs `take` on this thread of the pool and on up to `others` that are idle.
    fn join(others: usize, take: &(impl Fn() + Sync)) {
        match others {
            0 => take(),
            _ => {
                rayon::join(take, || join(others - 1, take));
            }
        }
    }

    /// Runs `take` on the calling thread, which is outside of the pool, and on `others` of the pool.
    ///
    /// With rayon's iterators, such a caller sleeps until the pool is done, so a second core costs
    /// two wake-ups. Here the caller works as well.
    fn outside(others: usize, take: &(impl Fn() + Sync)) {
        let busy = AtomicUsize::new(others);
        rayon::in_place_scope(|scope| {
            for _ in 0..others {
                scope.spawn(|_| {
                    take();
                    busy.fetch_sub(1, Ordering::Relaxed);
                });
            }
            take();
            // A sleep and a wake-up usually take longer than the other threads need to finish.
            let mut spins = SPINS;
            while spins > 0 && busy.load(Ordering::Relaxed) > 0 {
                hint::spin_loop();
                spins -= 1;
            }
        });
    }

    pub(super) fn each_of<T: Send>(parts: Vec<T>, others: usize, work: &(impl Fn(T) + Sync)) {
        let count = parts.len();
        let parts = Mutex::new(parts.into_iter());
        each(count, others, &|_| {
            let part = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
            part.into_iter().for_each(work);
        });
    }
}

/// Without `std`, the calling thread does all work.
#[cfg(not(feature = "std"))]
mod pool {
    use alloc::vec::Vec;

    pub(super) fn cores() -> usize {
        1
    }

    pub(super) fn install<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    pub(super) fn each(count: usize, _: usize, work: &impl Fn(usize)) {
        (0..count).for_each(work);
    }

    pub(super) fn each_of<T>(parts: Vec<T>, _: usize, work: &impl Fn(T)) {
        parts.into_iter().for_each(work);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn squares(count: usize) -> Vec<usize> {
        map(0..count, |number| number * number)
    }

    #[test]
    fn each_calls_every_index_once() {
        let count_calls = |count: usize| {
            let calls: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
            each(count, |index| {
                calls[index].fetch_add(1, Ordering::Relaxed);
            });
            calls.into_iter().all(|calls| calls.into_inner() == 1)
        };
        for count in [0, 1, 2, 3, 100, 101] {
            assert!(count_calls(count), "{count}, outside of the pool");
            assert!(rayon::scope(|_| count_calls(count)), "{count}, in the pool");
        }
    }

    #[test]
    fn every_part_runs_once_from_any_thread() {
        let expected: Vec<_> = (0..100).map(|number| number * number).collect();
        assert_eq!(squares(100), expected);
        assert_eq!(squares(1), [0]);
        assert!(squares(0).is_empty());
        let in_the_pool = rayon::scope(|_| squares(100));
        assert_eq!(in_the_pool, expected);
        let within = map(0..20, |_| squares(100));
        assert!(within.iter().all(|found| *found == expected));
        std::thread::scope(|scope| {
            let others: Vec<_> = (0..8).map(|_| scope.spawn(|| squares(100))).collect();
            for other in others {
                assert_eq!(other.join().unwrap(), expected);
            }
        });
    }

    #[test]
    fn ranges_are_the_single_ones() {
        for (length, count) in [(0, 3), (7, 0), (7, 7), (7, 20), (100, 17), (usize::MAX, 3)] {
            let all: Vec<_> = ranges(length, count).collect();
            let single: Vec<_> = (0..count)
                .map(|index| range(length, count, index))
                .collect();
            assert_eq!(all, single);
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_keeps_working() {
        let panics = || {
            each(100, |number| assert_ne!(number, 50));
        };
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(squares(3), [0, 1, 4]);
    }

    #[test]
    fn chunks_cover_every_value_once() {
        for (length, image, step) in [
            (30, 10, 3),
            (30, 10, 40),
            (SMALL * 3, SMALL, 7),
            (SMALL * 3, 16, 5),
            (SMALL * 3 + 5, SMALL * 4, 100_000),
            (0, 10, 3),
        ] {
            let mut found = vec![0.0; length];
            chunks(&mut found, image, step, |number, start, out| {
                assert_eq!(start % step, 0);
                assert!(out.len() <= step);
                for (index, out) in out.iter_mut().enumerate() {
                    *out += (number * image + start + index) as f32;
                }
            });
            assert!((0..length).all(|index| found[index] == index as f32));
        }
    }
}
