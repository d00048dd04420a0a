//! The innermost loop, in which convolutions spend most of their time.

use core::array;

use pulp::Simd;

use super::geometry::Run;

/// Computes the sums of products for some pixels, whose first inputs are at `x`.
///
/// Weights at `next`, as many vectors as inputs, move to the L2 cache meanwhile.
///
/// The function passes the sums to the epilogue through memory at constant offsets. With any other
/// use, the compiler would keep the array of sums in memory instead of registers.
///
/// # Safety
///
/// - The inputs of all runs are readable from each pixel's first input plus each of `groups`.
/// - `weights` is aligned and has `VECTORS` vectors for each of these inputs.
/// - `to` has room for `PIXELS * VECTORS` vectors.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "unrolled")]
pub(super) unsafe fn products<
    S: Simd,
    const PIXELS: usize,
    const VECTORS: usize,
    const GROUPED: bool,
>(
    simd: S,
    x: [*const f32; PIXELS],
    groups: [usize; VECTORS],
    runs: &[Run],
    mut weights: *const S::f32s,
    mut next: *const S::f32s,
    to: *mut S::f32s,
) {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; PIXELS];
    // SAFETY: the caller guarantees the bounds. No pointer moves beyond the end of its values.
    unsafe {
        for run in runs {
            let x = x.map(|x| x.add(run.offset));
            for input in 0..run.length {
                let row: [S::f32s; VECTORS] = array::from_fn(|vector| *weights.add(vector));
                weights = weights.add(VECTORS);
                if !GROUPED {
                    prefetch::<VECTORS, S>(weights);
                    prefetch_next::<S>(next);
                    next = next.wrapping_add(1);
                }
                for pixel in 0..PIXELS {
                    let x = x[pixel].add(input);
                    let value = simd.splat_f32s(*x);
                    for vector in 0..VECTORS {
                        let value = match GROUPED {
                            true => simd.splat_f32s(*x.add(groups[vector])),
                            false => value,
                        };
                        sums[pixel][vector] =
                            simd.mul_add_e_f32s(value, row[vector], sums[pixel][vector]);
                    }
                }
            }
        }
        for pixel in 0..PIXELS {
            for vector in 0..VECTORS {
                to.add(pixel * VECTORS + vector).write(sums[pixel][vector]);
            }
        }
    }
}

/// Prefetches the weights of an input some iterations ahead, because the L1 cache does not hold a
/// panel.
#[inline(always)]
fn prefetch<const VECTORS: usize, S: Simd>(weights: *const S::f32s) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for vector in 0..VECTORS {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const AHEAD: usize = 40;
        let line = weights.wrapping_add(AHEAD * VECTORS + vector);
        // SAFETY: a prefetch is a hint, valid for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
    #[cfg(any(not(target_arch = "x86_64"), miri))]
    let _ = weights;
}

/// Moves a vector to the L2 cache.
#[inline(always)]
fn prefetch_next<S: Simd>(next: *const S::f32s) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: see above.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(next.cast()) };
    }
    #[cfg(any(not(target_arch = "x86_64"), miri))]
    let _ = next;
}
