//! Vectors on ARM.

use core::arch::aarch64::*;

use super::Lanes;
use crate::int8::requantize::Round;

/// NEON.
///
/// A value must exist only if the processor has NEON.
#[derive(Clone, Copy)]
pub(in super::super) struct Quad;

impl Lanes for Quad {
    const LANES: usize = 4;

    type Sums = int32x4_t;
    type Floats = float32x4_t;

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller, and the processor has NEON.
        unsafe { vld1q_s32(at) }
    }

    #[inline(always)]
    unsafe fn load_floats(self, at: *const f32) -> Self::Floats {
        // SAFETY: guaranteed by the caller, and the processor has NEON.
        unsafe { vld1q_f32(at) }
    }

    #[inline(always)]
    fn floats(
        self,
        sums: Self::Sums,
        bias: Self::Floats,
        multiplier: Self::Floats,
    ) -> Self::Floats {
        // SAFETY: the processor has NEON.
        unsafe { vmulq_f32(vaddq_f32(vcvtq_f32_s32(sums), bias), multiplier) }
    }

    #[inline(always)]
    unsafe fn add_bytes(
        self,
        floats: Self::Floats,
        bytes: *const u8,
        zero: i32,
        ratio: f32,
    ) -> Self::Floats {
        // SAFETY: see above.
        unsafe {
            let bytes = vmovl_u8(vcreate_u8(bytes.cast::<u32>().read_unaligned().into()));
            let bytes = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(bytes)));
            let of_bytes = vcvtq_f32_s32(vsubq_s32(bytes, vdupq_n_s32(zero)));
            vaddq_f32(floats, vmulq_f32(of_bytes, vdupq_n_f32(ratio)))
        }
    }

    #[inline(always)]
    fn add(self, floats: Self::Floats, others: Self::Floats) -> Self::Floats {
        // SAFETY: the processor has NEON.
        unsafe { vaddq_f32(floats, others) }
    }

    #[inline(always)]
    unsafe fn store(self, floats: Self::Floats, least: f32, to: *mut f32) {
        // SAFETY: see above.
        unsafe { vst1q_f32(to, vmaxq_f32(floats, vdupq_n_f32(least))) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, floats: Self::Floats, round: Round, to: *mut u8) {
        // SAFETY: see above.
        unsafe {
            let x = vmaxnmq_f32(floats, vdupq_n_f32(round.low));
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
}
