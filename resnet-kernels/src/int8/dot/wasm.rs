//! Sums of products in WebAssembly.

use core::arch::wasm32::*;

use super::{Dot, Fours, Sums};
use crate::int8::lanes::wasm::Quad;

/// `simd128`: 16-bit products of pairs.
#[derive(Clone, Copy)]
pub(in super::super) struct Simd128;

impl Dot for Simd128 {
    const VECTORS: usize = 2;
    /// The multiplication reads 16-bit integers.
    const BYTES: usize = 2;

    type Lanes = Quad;
    /// Inputs 0 and 1, and inputs 2 and 3, as 16-bit integers.
    type Inputs = [v128; 2];

    fn lanes(self) -> Quad {
        Quad
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
    unsafe fn dot(self, sums: Sums<Self>, x: Self::Inputs, weights: *const u8) -> Sums<Self> {
        // SAFETY: guaranteed by the caller.
        let [first, second] = unsafe {
            let weights = weights.cast::<v128>();
            [v128_load(weights), v128_load(weights.add(1))]
        };
        let sums = i32x4_add(sums, i32x4_dot_i16x8(x[0], first));
        i32x4_add(sums, i32x4_dot_i16x8(x[1], second))
    }

    fn place(lane: usize, input: usize) -> usize {
        8 * (input / 2) + 2 * lane + input % 2
    }
}
