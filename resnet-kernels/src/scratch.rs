//! Buffers of a thread, reused from call to call.

use alloc::vec::Vec;

use aligned_vec::AVec;

/// The buffers of a thread.
struct Scratch {
    indices: [Vec<usize>; 2],
    values: [AVec<f32>; 2],
}

impl Scratch {
    fn new() -> Self {
        Self {
            indices: [Vec::new(), Vec::new()],
            values: [AVec::new(0), AVec::new(0)],
        }
    }
}

#[cfg(feature = "std")]
fn with<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    use std::cell::RefCell;

    std::thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
    }
    SCRATCH.with_borrow_mut(work)
}

/// Without `std`, there are no thread-local values.
#[cfg(not(feature = "std"))]
fn with<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    work(&mut Scratch::new())
}

/// Calls `work` with two empty lists. `work` must not start parallel loops.
pub(crate) fn with_indices<R>(work: impl FnOnce([&mut Vec<usize>; 2]) -> R) -> R {
    with(|scratch| {
        scratch.indices.iter_mut().for_each(Vec::clear);
        work(scratch.indices.each_mut())
    })
}

/// Calls `work` with two buffers of at least these lengths. Their values are arbitrary. `work` must
/// not start parallel loops.
pub(crate) fn with_values<R>(lengths: [usize; 2], work: impl FnOnce([&mut [f32]; 2]) -> R) -> R {
    with(|scratch| {
        for (values, length) in scratch.values.iter_mut().zip(lengths) {
            if values.len() < length {
                values.resize(length, 0.0);
            }
        }
        work(scratch.values.each_mut().map(|values| &mut **values))
    })
}
