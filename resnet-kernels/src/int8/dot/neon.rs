//! Sums of products on ARM.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{Dot, Fours};
use crate::int8::requantize::Round;

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
    type Numbers = float32x4_t;

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller, and the processor has NEON.
        unsafe { vld1q_s32(at) }
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
    unsafe fn load_numbers(self, at: *const f32) -> Self::Numbers {
        // SAFETY: guaranteed by the caller, and the processor has NEON.
        unsafe { vld1q_f32(at) }
    }

    #[inline(always)]
    fn numbers(
        self,
        sums: Self::Sums,
        bias: Self::Numbers,
        multiplier: Self::Numbers,
    ) -> Self::Numbers {
        // SAFETY: the processor has NEON.
        unsafe { vmulq_f32(vaddq_f32(vcvtq_f32_s32(sums), bias), multiplier) }
    }

    #[inline(always)]
    unsafe fn add_bytes(
        self,
        sum: Self::Numbers,
        bytes: *const u8,
        zero: i32,
        ratio: f32,
    ) -> Self::Numbers {
        // SAFETY: see above.
        unsafe { add_bytes(sum, bytes, zero, ratio) }
    }

    #[inline(always)]
    fn add(self, numbers: Self::Numbers, others: Self::Numbers) -> Self::Numbers {
        // SAFETY: the processor has NEON.
        unsafe { vaddq_f32(numbers, others) }
    }

    #[inline(always)]
    unsafe fn store(self, numbers: Self::Numbers, least: f32, to: *mut f32) {
        // SAFETY: see above.
        unsafe { vst1q_f32(to, vmaxnmq_f32(numbers, vdupq_n_f32(least))) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, numbers: Self::Numbers, round: Round, to: *mut u8) {
        // SAFETY: see above.
        unsafe { store_bytes(numbers, round, to) };
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
    type Numbers = float32x4_t;

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller, and the processor has NEON.
        unsafe { vld1q_s32(at) }
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
    unsafe fn load_numbers(self, at: *const f32) -> Self::Numbers {
        // SAFETY: guaranteed by the caller, and the processor has NEON.
        unsafe { vld1q_f32(at) }
    }

    #[inline(always)]
    fn numbers(
        self,
        sums: Self::Sums,
        bias: Self::Numbers,
        multiplier: Self::Numbers,
    ) -> Self::Numbers {
        // SAFETY: the processor has NEON.
        unsafe { vmulq_f32(vaddq_f32(vcvtq_f32_s32(sums), bias), multiplier) }
    }

    #[inline(always)]
    unsafe fn add_bytes(
        self,
        sum: Self::Numbers,
        bytes: *const u8,
        zero: i32,
        ratio: f32,
    ) -> Self::Numbers {
        // SAFETY: see above.
        unsafe { add_bytes(sum, bytes, zero, ratio) }
    }

    #[inline(always)]
    fn add(self, numbers: Self::Numbers, others: Self::Numbers) -> Self::Numbers {
        // SAFETY: the processor has NEON.
        unsafe { vaddq_f32(numbers, others) }
    }

    #[inline(always)]
    unsafe fn store(self, numbers: Self::Numbers, least: f32, to: *mut f32) {
        // SAFETY: see above.
        unsafe { vst1q_f32(to, vmaxnmq_f32(numbers, vdupq_n_f32(least))) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, numbers: Self::Numbers, round: Round, to: *mut u8) {
        // SAFETY: see above.
        unsafe { store_bytes(numbers, round, to) };
    }
}

/// # Safety
///
/// Four bytes are readable at `bytes`, and the processor has NEON.
#[inline(always)]
unsafe fn add_bytes(sum: float32x4_t, bytes: *const u8, zero: i32, ratio: f32) -> float32x4_t {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let bytes = vmovl_u8(vcreate_u8(bytes.cast::<u32>().read_unaligned().into()));
        let bytes = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(bytes)));
        let numbers = vcvtq_f32_s32(vsubq_s32(bytes, vdupq_n_s32(zero)));
        vaddq_f32(sum, vmulq_f32(numbers, vdupq_n_f32(ratio)))
    }
}

/// # Safety
///
/// There is room for four bytes at `to`, and the processor has NEON.
#[inline(always)]
unsafe fn store_bytes(numbers: float32x4_t, round: Round, to: *mut u8) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let x = vmaxnmq_f32(numbers, vdupq_n_f32(round.low));
        let x = vminnmq_f32(x, vdupq_n_f32(round.high));
        let x = vreinterpretq_s32_f32(vaddq_f32(x, vdupq_n_f32(Round::SHIFT)));
        let x = vreinterpretq_u32_s32(vaddq_s32(x, vdupq_n_s32(round.zero)));
        // The low byte of each integer.
        let x = vmovn_u32(x);
        let x = vmovn_u16(vcombine_u16(x, x));
        let four = vget_lane_u32::<0>(vreinterpret_u32_u8(x));
        to.cast::<u32>().write_unaligned(four);
    }
}
