//! Vectors in WebAssembly.

use core::arch::wasm32::*;

use super::Lanes;
use crate::int8::requantize::Round;

/// `simd128`.
#[derive(Clone, Copy)]
pub(in super::super) struct Quad;

impl Lanes for Quad {
    const LANES: usize = 4;

    type Sums = v128;
    type Floats = v128;

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller.
        unsafe { v128_load(at.cast()) }
    }

    #[inline(always)]
    unsafe fn load_floats(self, at: *const f32) -> Self::Floats {
        // SAFETY: guaranteed by the caller.
        unsafe { v128_load(at.cast()) }
    }

    #[inline(always)]
    fn floats(
        self,
        sums: Self::Sums,
        bias: Self::Floats,
        multiplier: Self::Floats,
    ) -> Self::Floats {
        f32x4_mul(f32x4_add(f32x4_convert_i32x4(sums), bias), multiplier)
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
        let bytes = unsafe { v128_load32_zero(bytes.cast()) };
        let bytes = u32x4_extend_low_u16x8(u16x8_extend_low_u8x16(bytes));
        let of_bytes = f32x4_convert_i32x4(i32x4_sub(bytes, i32x4_splat(zero)));
        f32x4_add(floats, f32x4_mul(of_bytes, f32x4_splat(ratio)))
    }

    #[inline(always)]
    fn add(self, floats: Self::Floats, others: Self::Floats) -> Self::Floats {
        f32x4_add(floats, others)
    }

    #[inline(always)]
    unsafe fn store(self, floats: Self::Floats, least: f32, to: *mut f32) {
        // The maximum with a NaN is NaN.
        let floats = f32x4_max(f32x4_splat(least), floats);
        // SAFETY: guaranteed by the caller.
        unsafe { v128_store(to.cast(), floats) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, floats: Self::Floats, round: Round, to: *mut u8) {
        let x = f32x4_pmax(f32x4_splat(round.low), floats);
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
}
