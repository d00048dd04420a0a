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

use super::requantize::Round;

/// For each lane of a vector, which four of the loaded activations it reads.
pub(super) type Fours = [i32; 16];

/// The instructions of a processor for sums of products.
pub(super) trait Dot: Copy {
    /// Number of outputs in a vector.
    const LANES: usize;
    /// Number of vectors whose sums stay in registers, per pixel.
    const VECTORS: usize;
    /// Size of a packed weight in bytes.
    const BYTES: usize;
    /// The number that is subtracted from activations before they are multiplied.
    const OFFSET: i32 = 0;

    type Sums: Copy;
    type Inputs: Copy;
    type Numbers: Copy;

    /// Loads sums.
    ///
    /// # Safety
    ///
    /// `LANES` integers are readable at `at`.
    unsafe fn load(self, at: *const i32) -> Self::Sums;

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
    unsafe fn dot(self, sums: Self::Sums, x: Self::Inputs, weights: *const u8) -> Self::Sums;

    /// Loads numbers.
    ///
    /// # Safety
    ///
    /// `LANES` numbers are readable at `at`.
    unsafe fn load_numbers(self, at: *const f32) -> Self::Numbers;

    /// Returns `(sum + bias) * multiplier`.
    fn numbers(
        self,
        sums: Self::Sums,
        bias: Self::Numbers,
        multiplier: Self::Numbers,
    ) -> Self::Numbers;

    /// Adds `(byte - zero) * ratio`.
    ///
    /// # Safety
    ///
    /// `LANES` bytes are readable at `bytes`.
    unsafe fn add_bytes(
        self,
        numbers: Self::Numbers,
        bytes: *const u8,
        zero: i32,
        ratio: f32,
    ) -> Self::Numbers;

    /// Adds numbers.
    fn add(self, numbers: Self::Numbers, others: Self::Numbers) -> Self::Numbers;

    /// Stores the numbers, or at least `least`. NaN becomes `least`.
    ///
    /// # Safety
    ///
    /// There is room for `LANES` numbers at `to`.
    unsafe fn store(self, numbers: Self::Numbers, least: f32, to: *mut f32);

    /// Stores the rounded numbers like [`Round::byte`].
    ///
    /// # Safety
    ///
    /// There is room for `LANES` bytes at `to`.
    unsafe fn store_bytes(self, numbers: Self::Numbers, round: Round, to: *mut u8);

    /// Returns the place of a weight among the `4 * LANES` weights of a vector.
    fn place(lane: usize, input: usize) -> usize {
        4 * lane + input
    }
}

/// Any processor.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Dot for Portable {
    const LANES: usize = 8;
    const VECTORS: usize = 1;
    const BYTES: usize = 1;

    type Sums = [i32; 8];
    /// The activations of each lane.
    type Inputs = [[u8; 4]; 8];
    type Numbers = [f32; 8];

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller.
        unsafe { at.cast::<Self::Sums>().read_unaligned() }
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
    unsafe fn dot(self, mut sums: Self::Sums, x: Self::Inputs, weights: *const u8) -> Self::Sums {
        // SAFETY: guaranteed by the caller.
        let weights = unsafe { weights.cast::<[[i8; 4]; 8]>().read_unaligned() };
        for (sum, (inputs, weights)) in sums.iter_mut().zip(x.iter().zip(weights)) {
            for (input, weight) in inputs.iter().zip(weights) {
                *sum += i32::from(*input) * i32::from(weight);
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn load_numbers(self, at: *const f32) -> Self::Numbers {
        // SAFETY: guaranteed by the caller.
        unsafe { at.cast::<Self::Numbers>().read_unaligned() }
    }

    #[inline(always)]
    fn numbers(
        self,
        sums: Self::Sums,
        bias: Self::Numbers,
        multiplier: Self::Numbers,
    ) -> Self::Numbers {
        array::from_fn(|lane| (sums[lane] as f32 + bias[lane]) * multiplier[lane])
    }

    #[inline(always)]
    unsafe fn add_bytes(
        self,
        numbers: Self::Numbers,
        bytes: *const u8,
        zero: i32,
        ratio: f32,
    ) -> Self::Numbers {
        // SAFETY: guaranteed by the caller.
        let bytes = unsafe { bytes.cast::<[u8; 8]>().read_unaligned() };
        array::from_fn(|lane| numbers[lane] + (i32::from(bytes[lane]) - zero) as f32 * ratio)
    }

    #[inline(always)]
    fn add(self, numbers: Self::Numbers, others: Self::Numbers) -> Self::Numbers {
        array::from_fn(|lane| numbers[lane] + others[lane])
    }

    #[inline(always)]
    unsafe fn store(self, numbers: Self::Numbers, least: f32, to: *mut f32) {
        let numbers = numbers.map(|x| if x > least { x } else { least });
        // SAFETY: guaranteed by the caller.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(numbers) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, numbers: Self::Numbers, round: Round, to: *mut u8) {
        let bytes = numbers.map(|x| round.byte(x));
        // SAFETY: guaranteed by the caller.
        unsafe { to.cast::<[u8; 8]>().write_unaligned(bytes) };
    }
}
