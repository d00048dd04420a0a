//! Products of four activations and the weights of a vector of outputs, summed in 32 bits.
//!
//! All implementations are exact. AVX2's `vpmaddubsw` is not: it saturates at 16 bits.

#[cfg(all(target_arch = "aarch64", target_endian = "little", not(miri)))]
pub(super) mod neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) mod wasm;
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(super) mod x86;

use core::array;

use super::lanes::{Eight, Lanes};

/// For each lane of a vector, which four of the loaded activations it reads.
pub(super) type Fours = [i32; 16];

/// The sums of a vector.
pub(super) type Sums<D> = <<D as Dot>::Lanes as Lanes>::Sums;

/// The floats of a vector.
pub(super) type Floats<D> = <<D as Dot>::Lanes as Lanes>::Floats;

/// The instructions of a processor for sums of products.
pub(super) trait Dot: Copy {
    /// Number of outputs in a vector.
    const LANES: usize = <Self::Lanes as Lanes>::LANES;
    /// Number of vectors whose sums stay in registers, per pixel.
    const VECTORS: usize;
    /// Size of a packed weight in bytes.
    const BYTES: usize;
    /// The number that is subtracted from activations before they are multiplied.
    const OFFSET: i32 = 0;

    type Lanes: Lanes;
    type Inputs: Copy;

    /// Returns the vectors of the processor.
    fn lanes(self) -> Self::Lanes;

    /// Loads four activations for all lanes.
    ///
    /// # Safety
    ///
    /// Four bytes are readable at `at`.
    unsafe fn inputs(self, at: *const u8) -> Self::Inputs;

    /// Loads the four activations of each lane.
    ///
    /// # Safety
    ///
    /// `LANES` bytes are readable at `at`, and the indices are less than `LANES / 4`.
    unsafe fn spread(self, at: *const u8, fours: &Fours) -> Self::Inputs;

    /// Adds the products of four inputs and the weights at `weights`.
    ///
    /// # Safety
    ///
    /// `4 * LANES * BYTES` bytes are readable at `weights`.
    unsafe fn dot(self, sums: Sums<Self>, x: Self::Inputs, weights: *const u8) -> Sums<Self>;

    /// Moves a line to the L2 cache, if the processor can do so without waiting.
    #[inline(always)]
    fn prefetch(self, _at: *const u8) {}

    /// Returns the place of a weight among the `4 * LANES` weights of a vector.
    fn place(lane: usize, input: usize) -> usize {
        4 * lane + input
    }
}

/// Any processor.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Dot for Portable {
    const VECTORS: usize = 1;
    const BYTES: usize = 1;

    type Lanes = Eight;
    /// The activations of each lane.
    type Inputs = [[u8; 4]; 8];

    fn lanes(self) -> Eight {
        Eight
    }

    #[inline(always)]
    unsafe fn inputs(self, at: *const u8) -> Self::Inputs {
        // SAFETY: guaranteed by the caller.
        [unsafe { at.cast::<[u8; 4]>().read_unaligned() }; 8]
    }

    #[inline(always)]
    unsafe fn spread(self, at: *const u8, fours: &Fours) -> Self::Inputs {
        // SAFETY: guaranteed by the caller.
        let all = unsafe { at.cast::<[[u8; 4]; 2]>().read_unaligned() };
        array::from_fn(|lane| all[fours[lane] as usize])
    }

    #[inline(always)]
    unsafe fn dot(self, mut sums: Sums<Self>, x: Self::Inputs, weights: *const u8) -> Sums<Self> {
        // SAFETY: guaranteed by the caller.
        let weights = unsafe { weights.cast::<[[i8; 4]; 8]>().read_unaligned() };
        for (sum, (inputs, weights)) in sums.iter_mut().zip(x.iter().zip(weights)) {
            for (input, weight) in inputs.iter().zip(weights) {
                *sum += i32::from(*input) * i32::from(weight);
            }
        }
        sums
    }
}
