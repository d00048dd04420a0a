//! Sums of products in WebAssembly.

use core::arch::wasm32::*;

use super::{Dot, Fours};
use crate::int8::requantize::Round;

/// `simd128`: 16-bit products of pairs.
#[derive(Clone, Copy)]
pub(in super::super) struct Simd128;

impl Dot for Simd128 {
    const LANES: usize = 4;
    const VECTORS: usize = 2;
    /// The multiplication reads 16-bit integers.
    const BYTES: usize = 2;

    type Sums = v128;
    /// Inputs 0 and 1, and inputs 2 and 3, as 16-bit integers.
    type Inputs = [v128; 2];
    type Numbers = v128;

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller.
        unsafe { v128_load(at.cast()) }
    }

    #[inline(always)]
    unsafe fn inputs(self, at: *const u8) -> Self::Inputs {
        // SAFETY: guaranteed by the caller.
        let [a, b, c, d] = unsafe { at.cast::<[u8; 4]>().read_unaligned() }.map(u32::from);
        [u32x4_splat(a | b << 16), u32x4_splat(c | d << 16)]
    }

    #[inline(always)]
    unsafe fn spread(self, at: *const u8, _: &Fours) -> Self::Inputs {
        // A vector of four outputs has one group.
        // SAFETY: guaranteed by the caller.
        unsafe { self.inputs(at) }
    }

    #[inline(always)]
    unsafe fn dot(self, sums: Self::Sums, x: Self::Inputs, weights: *const u8) -> Self::Sums {
        // SAFETY: guaranteed by the caller.
        let [first, second] = unsafe {
            let weights = weights.cast::<v128>();
            [v128_load(weights), v128_load(weights.add(1))]
        };
        let sums = i32x4_add(sums, i32x4_dot_i16x8(x[0], first));
        i32x4_add(sums, i32x4_dot_i16x8(x[1], second))
    }

    #[inline(always)]
    unsafe fn load_numbers(self, at: *const f32) -> Self::Numbers {
        // SAFETY: guaranteed by the caller.
        unsafe { v128_load(at.cast()) }
    }

    #[inline(always)]
    fn numbers(
        self,
        sums: Self::Sums,
        bias: Self::Numbers,
        multiplier: Self::Numbers,
    ) -> Self::Numbers {
        f32x4_mul(f32x4_add(f32x4_convert_i32x4(sums), bias), multiplier)
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
        let bytes = unsafe { v128_load32_zero(bytes.cast()) };
        let bytes = u32x4_extend_low_u16x8(u16x8_extend_low_u8x16(bytes));
        let of_bytes = f32x4_convert_i32x4(i32x4_sub(bytes, i32x4_splat(zero)));
        f32x4_add(numbers, f32x4_mul(of_bytes, f32x4_splat(ratio)))
    }

    #[inline(always)]
    fn add(self, numbers: Self::Numbers, others: Self::Numbers) -> Self::Numbers {
        f32x4_add(numbers, others)
    }

    #[inline(always)]
    unsafe fn store(self, numbers: Self::Numbers, least: f32, to: *mut f32) {
        // The pseudo-maximum with a NaN is the first number.
        let numbers = f32x4_pmax(f32x4_splat(least), numbers);
        // SAFETY: guaranteed by the caller.
        unsafe { v128_store(to.cast(), numbers) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, numbers: Self::Numbers, round: Round, to: *mut u8) {
        let x = f32x4_pmax(f32x4_splat(round.low), numbers);
        let x = f32x4_pmin(f32x4_splat(round.high), x);
        let x = i32x4_add(
            f32x4_add(x, f32x4_splat(Round::SHIFT)),
            i32x4_splat(round.zero),
        );
        // The low byte of each integer.
        let x = u8x16_shuffle::<0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12>(x, x);
        // SAFETY: guaranteed by the caller.
        unsafe { v128_store32_lane::<0>(x, to.cast()) };
    }

    fn place(lane: usize, input: usize) -> usize {
        8 * (input / 2) + 2 * lane + input % 2
    }
}
