//! Sums of products on ARM.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{Dot, Fours, Sums};
use crate::int8::lanes::neon::Quad;

/// NEON: products of 16-bit integers.
///
/// A value must exist only if the processor has NEON.
#[derive(Clone, Copy)]
pub(in super::super) struct Neon;

impl Dot for Neon {
    const VECTORS: usize = 4;
    /// The multiplication reads 16-bit integers.
    const BYTES: usize = 2;

    type Lanes = Quad;
    type Inputs = int16x4_t;

    fn lanes(self) -> Quad {
        Quad
    }

    #[inline(always)]
    unsafe fn inputs(self, at: *const u8) -> Self::Inputs {
        // SAFETY: the caller guarantees the bytes, and the processor has NEON.
        unsafe {
            let bytes = vcreate_u8(at.cast::<u32>().read_unaligned().into());
            vreinterpret_s16_u16(vget_low_u16(vmovl_u8(bytes)))
        }
    }

    #[inline(always)]
    unsafe fn spread(self, at: *const u8, _: &Fours) -> Self::Inputs {
        // A vector of four outputs has one group.
        // SAFETY: guaranteed by the caller.
        unsafe { self.inputs(at) }
    }

    #[inline(always)]
    unsafe fn dot(self, sums: Sums<Self>, x: Self::Inputs, weights: *const u8) -> Sums<Self> {
        // SAFETY: see above.
        unsafe {
            let weights = weights.cast::<i16>();
            let sums = vmlal_lane_s16::<0>(sums, vld1_s16(weights), x);
            let sums = vmlal_lane_s16::<1>(sums, vld1_s16(weights.add(4)), x);
            let sums = vmlal_lane_s16::<2>(sums, vld1_s16(weights.add(8)), x);
            vmlal_lane_s16::<3>(sums, vld1_s16(weights.add(12)), x)
        }
    }

    fn place(lane: usize, input: usize) -> usize {
        4 * input + lane
    }
}

/// The dot products of ARMv8.2: products of four signed bytes.
///
/// A value must exist only if the processor has them.
#[derive(Clone, Copy)]
pub(in super::super) struct Sdot;

impl Dot for Sdot {
    const VECTORS: usize = 4;
    const BYTES: usize = 1;
    /// The activations are signed.
    const OFFSET: i32 = 128;

    type Lanes = Quad;
    /// The same four bytes for all lanes.
    type Inputs = int8x16_t;

    fn lanes(self) -> Quad {
        Quad
    }

    #[inline(always)]
    unsafe fn inputs(self, at: *const u8) -> Self::Inputs {
        // SAFETY: the caller guarantees the bytes, and the processor has NEON.
        unsafe {
            let four = at.cast::<u32>().read_unaligned() ^ 0x8080_8080;
            vreinterpretq_s8_u32(vdupq_n_u32(four))
        }
    }

    #[inline(always)]
    unsafe fn spread(self, at: *const u8, _: &Fours) -> Self::Inputs {
        // A vector of four outputs has one group.
        // SAFETY: guaranteed by the caller.
        unsafe { self.inputs(at) }
    }

    #[inline(always)]
    unsafe fn dot(self, mut sums: Sums<Self>, x: Self::Inputs, weights: *const u8) -> Sums<Self> {
        // SAFETY: see above. The intrinsic is not stable in the oldest supported compiler.
        unsafe {
            let weights = vld1q_s8(weights.cast());
            asm!(
                ".arch_extension dotprod",
                "sdot {sums:v}.4s, {weights:v}.16b, {x:v}.16b",
                sums = inout(vreg) sums,
                weights = in(vreg) weights,
                x = in(vreg) x,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sums
    }
}
