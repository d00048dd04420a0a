//! Parallel loops over all cores.

use core::hint;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::threads;

/// Number of values below which more cores give no speedup.
const SMALL: usize = 16 * 1024;

/// Number of parts per core. With several parts, the other cores take over from a core that starts
/// late.
const PARTS: usize = 4;

/// Number of polls for the other threads before the calling thread sleeps.
const SPINS: usize = 2_000;

/// Returns the number of threads of the pool. `RAYON_NUM_THREADS` sets it.
pub(crate) fn cores() -> usize {
    threads::count()
}

/// Calls `work` with each part, on the calling thread and the threads of the pool.
///
/// With rayon's iterators, a caller outside the pool sleeps until the pool is done, so a second
/// core costs two wake-ups. Here the caller works as well.
pub(crate) fn each<T: Send>(parts: Vec<T>, work: impl Fn(T) + Sync) {
    let others = parts.len().min(cores()).saturating_sub(1);
    if others == 0 {
        return parts.into_iter().for_each(work);
    }
    let parts = Mutex::new(parts.into_iter());
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let take = || {
        while let Some(part) = next() {
            work(part);
        }
    };
    let busy = AtomicUsize::new(others);
    rayon::in_place_scope(|scope| {
        for _ in 0..others {
            scope.spawn(|_| {
                take();
                busy.fetch_sub(1, Ordering::Relaxed);
            });
        }
        take();
        // A sleep and a wake-up usually take longer than the other threads need to finish. A thread
        // of the pool must not spin, because it runs the parts that the other threads have not
        // started.
        let outside = rayon::current_thread_index().is_none();
        let mut spins = if outside { SPINS } else { 0 };
        while spins > 0 && busy.load(Ordering::Relaxed) > 0 {
            hint::spin_loop();
            spins -= 1;
        }
    });
}

/// Returns the results of `work` for all parts, in order.
pub(crate) fn map<T: Send, R: Send>(
    parts: impl ExactSizeIterator<Item = T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let mut results: Vec<_> = (0..parts.len()).map(|_| None).collect();
    each(parts.zip(&mut results).collect(), |(part, result)| {
        *result = Some(work(part));
    });
    results.into_iter().flatten().collect()
}

/// Calls `work` with chunks of `out`, in parallel.
///
/// The function splits `out` into images of `image` values, and images into chunks of `step`
/// values. `work` receives the index of the image, the start of the chunk in the image, and the
/// chunk.
pub(crate) fn chunks(
    out: &mut [f32],
    image: usize,
    step: usize,
    work: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    if out.len() <= SMALL {
        for (number, out) in out.chunks_mut(image).enumerate() {
            for (index, out) in out.chunks_mut(step).enumerate() {
                work(number, index * step, out);
            }
        }
        return;
    }
    let size = out.len().div_ceil(step).div_ceil(PARTS * cores()) * step;
    let of_image = |(number, out)| {
        let parts = <[f32]>::chunks_mut(out, size).enumerate();
        parts.map(move |(index, out)| (number, index * size, out))
    };
    let parts = out.chunks_mut(image).enumerate().flat_map(of_image);
    each(parts.collect(), |(number, start, out)| {
        for (index, out) in out.chunks_mut(step).enumerate() {
            work(number, start + index * step, out);
        }
    });
}

/// Calls `work` like [`chunks`], with the chunks of two outputs.
pub(crate) fn chunks_of_two<A: Send, B: Send>(
    first: &mut [A],
    second: &mut [B],
    image: usize,
    step: usize,
    work: impl Fn(usize, usize, &mut [A], &mut [B]) + Sync,
) {
    if first.is_empty() {
        return;
    }
    let images = first.chunks_mut(image).zip(second.chunks_mut(image));
    let of_image = |(number, (first, second))| {
        let parts = <[A]>::chunks_mut(first, step).zip(<[B]>::chunks_mut(second, step));
        let parts = parts.enumerate();
        parts.map(move |(index, parts)| (number, index * step, parts))
    };
    let parts = images.enumerate().flat_map(of_image).collect();
    each(parts, |(number, start, (first, second))| {
        work(number, start, first, second);
    });
}

/// Splits `0..length` into `count` ranges of nearly equal length.
pub(crate) fn ranges(length: usize, count: usize) -> impl Iterator<Item = Range<usize>> {
    // Computes `length * index / count` without overflow.
    let (whole, rest) = match count {
        0 => (0, 0),
        count => (length / count, length % count),
    };
    let at = move |index: usize| whole * index + rest * index / count;
    (0..count).map(move |index| at(index)..at(index + 1))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn squares(count: usize) -> Vec<usize> {
        map(0..count, |number| number * number)
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
    fn a_panic_reaches_the_caller_and_the_pool_keeps_working() {
        let panics = || {
            each((0..100).collect(), |number: usize| assert_ne!(number, 50));
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
