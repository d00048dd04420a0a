//! Vectors of sums and floats, and the conversion of sums to outputs.

#[cfg(all(target_arch = "aarch64", target_endian = "little", not(miri)))]
pub(super) mod neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) mod wasm;
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(super) mod x86;

use core::array;

use super::requantize::Round;

/// The vectors of a processor.
pub(super) trait Lanes: Copy {
    /// Number of outputs in a vector.
    const LANES: usize;

    type Sums: Copy;
    type Floats: Copy;

    /// Loads sums.
    ///
    /// # Safety
    ///
    /// `LANES` integers are readable at `at`.
    unsafe fn load(self, at: *const i32) -> Self::Sums;

    /// Loads floats.
    ///
    /// # Safety
    ///
    /// `LANES` floats are readable at `at`.
    unsafe fn load_floats(self, at: *const f32) -> Self::Floats;

    /// Returns `(sum + bias) * multiplier`.
    fn floats(self, sums: Self::Sums, bias: Self::Floats, multiplier: Self::Floats)
    -> Self::Floats;

    /// Adds `(byte - zero) * ratio`.
    ///
    /// # Safety
    ///
    /// `LANES` bytes are readable at `bytes`.
    unsafe fn add_bytes(
        self,
        floats: Self::Floats,
        bytes: *const u8,
        zero: i32,
        ratio: f32,
    ) -> Self::Floats;

    /// Adds floats.
    fn add(self, floats: Self::Floats, others: Self::Floats) -> Self::Floats;

    /// Stores the floats, or at least `least`. Keeps NaN.
    ///
    /// # Safety
    ///
    /// There is room for `LANES` floats at `to`.
    unsafe fn store(self, floats: Self::Floats, least: f32, to: *mut f32);

    /// Stores the rounded floats like [`Round::byte`].
    ///
    /// # Safety
    ///
    /// There is room for `LANES` bytes at `to`.
    unsafe fn store_bytes(self, floats: Self::Floats, round: Round, to: *mut u8);

    /// Stores the rounded floats of adjacent vectors.
    ///
    /// # Safety
    ///
    /// There is room for `VECTORS * LANES` bytes at `to`.
    #[inline(always)]
    unsafe fn store_all<const VECTORS: usize>(
        self,
        floats: [Self::Floats; VECTORS],
        round: Round,
        to: *mut u8,
    ) {
        for (vector, floats) in floats.into_iter().enumerate() {
            // SAFETY: guaranteed by the caller.
            unsafe { self.store_bytes(floats, round, to.add(vector * Self::LANES)) };
        }
    }
}

/// Any processor.
#[derive(Clone, Copy)]
pub(super) struct Eight;

impl Lanes for Eight {
    const LANES: usize = 8;

    type Sums = [i32; 8];
    type Floats = [f32; 8];

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller.
        unsafe { at.cast::<Self::Sums>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_floats(self, at: *const f32) -> Self::Floats {
        // SAFETY: guaranteed by the caller.
        unsafe { at.cast::<Self::Floats>().read_unaligned() }
    }

    #[inline(always)]
    fn floats(
        self,
        sums: Self::Sums,
        bias: Self::Floats,
        multiplier: Self::Floats,
    ) -> Self::Floats {
        array::from_fn(|lane| (sums[lane] as f32 + bias[lane]) * multiplier[lane])
    }

    #[inline(always)]
    unsafe fn add_bytes(
        self,
        floats: Self::Floats,
        bytes: *const u8,
        zero: i32,
        ratio: f32,
    ) -> Self::Floats {
        // SAFETY: guaranteed by the caller.
        let bytes = unsafe { bytes.cast::<[u8; 8]>().read_unaligned() };
        array::from_fn(|lane| floats[lane] + (i32::from(bytes[lane]) - zero) as f32 * ratio)
    }

    #[inline(always)]
    fn add(self, floats: Self::Floats, others: Self::Floats) -> Self::Floats {
        array::from_fn(|lane| floats[lane] + others[lane])
    }

    #[inline(always)]
    unsafe fn store(self, floats: Self::Floats, least: f32, to: *mut f32) {
        let floats = floats.map(|x| if x < least { least } else { x });
        // SAFETY: guaranteed by the caller.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(floats) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, floats: Self::Floats, round: Round, to: *mut u8) {
        let bytes = floats.map(|x| round.byte(x));
        // SAFETY: guaranteed by the caller.
        unsafe { to.cast::<[u8; 8]>().write_unaligned(bytes) };
    }
}
