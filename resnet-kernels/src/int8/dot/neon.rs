//! Sums of products on ARM.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{Dot, Fours};

/// NEON: products of 16-bit integers.
///
/// A value must exist only if the processor has NEON.
#[derive(Clone, Copy)]
pub(in super::super) struct Neon;

impl Dot for Neon {
    const LANES: usize = 4;
    const VECTORS: usize = 4;
    /// The multiplication reads 16-bit integers.
    const BYTES: usize = 2;

    type Sums = int32x4_t;
    type Inputs = int16x4_t;

    #[inline(always)]
    fn zero(self) -> Self::Sums {
        // SAFETY: the processor has NEON.
        unsafe { vdupq_n_s32(0) }
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
    unsafe fn dot(self, sums: Self::Sums, x: Self::Inputs, weights: *const u8) -> Self::Sums {
        // SAFETY: see above.
        unsafe {
            let weights = weights.cast::<i16>();
            let sums = vmlal_lane_s16::<0>(sums, vld1_s16(weights), x);
            let sums = vmlal_lane_s16::<1>(sums, vld1_s16(weights.add(4)), x);
            let sums = vmlal_lane_s16::<2>(sums, vld1_s16(weights.add(8)), x);
            vmlal_lane_s16::<3>(sums, vld1_s16(weights.add(12)), x)
        }
    }

    #[inline(always)]
    unsafe fn store(self, sums: Self::Sums, to: *mut i32) {
        // SAFETY: see above.
        unsafe { vst1q_s32(to, sums) };
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
    const LANES: usize = 4;
    const VECTORS: usize = 4;
    const BYTES: usize = 1;
    /// The activations are signed.
    const OFFSET: i32 = 128;

    type Sums = int32x4_t;
    /// The same four bytes for all lanes.
    type Inputs = int8x16_t;

    #[inline(always)]
    fn zero(self) -> Self::Sums {
        // SAFETY: the processor has NEON.
        unsafe { vdupq_n_s32(0) }
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
    unsafe fn dot(self, mut sums: Self::Sums, x: Self::Inputs, weights: *const u8) -> Self::Sums {
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

    #[inline(always)]
    unsafe fn store(self, sums: Self::Sums, to: *mut i32) {
        // SAFETY: see above.
        unsafe { vst1q_s32(to, sums) };
    }
}
