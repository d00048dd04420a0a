//! Vectors on x86.

use core::arch::x86_64::*;

use super::Lanes;
use crate::int8::requantize::Round;

/// AVX2: 256 bits.
///
/// A value must exist only if the processor has AVX2.
#[derive(Clone, Copy)]
pub(in super::super) struct Ymm;

impl Lanes for Ymm {
    const LANES: usize = 8;

    type Sums = __m256i;
    type Floats = __m256;

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller, and the processor has AVX2.
        unsafe { _mm256_loadu_si256(at.cast()) }
    }

    #[inline(always)]
    unsafe fn load_floats(self, at: *const f32) -> Self::Floats {
        // SAFETY: guaranteed by the caller, and the processor has AVX2.
        unsafe { _mm256_loadu_ps(at) }
    }

    #[inline(always)]
    fn floats(
        self,
        sums: Self::Sums,
        bias: Self::Floats,
        multiplier: Self::Floats,
    ) -> Self::Floats {
        // SAFETY: the processor has AVX2.
        unsafe { _mm256_mul_ps(_mm256_add_ps(_mm256_cvtepi32_ps(sums), bias), multiplier) }
    }

    #[inline(always)]
    unsafe fn add_bytes(
        self,
        floats: Self::Floats,
        bytes: *const u8,
        zero: i32,
        ratio: f32,
    ) -> Self::Floats {
        // SAFETY: guaranteed by the caller, and the processor has AVX2.
        unsafe {
            let bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes.cast()));
            let of_bytes = _mm256_cvtepi32_ps(_mm256_sub_epi32(bytes, _mm256_set1_epi32(zero)));
            _mm256_add_ps(floats, _mm256_mul_ps(of_bytes, _mm256_set1_ps(ratio)))
        }
    }

    #[inline(always)]
    fn add(self, floats: Self::Floats, others: Self::Floats) -> Self::Floats {
        // SAFETY: the processor has AVX2.
        unsafe { _mm256_add_ps(floats, others) }
    }

    #[inline(always)]
    unsafe fn store(self, floats: Self::Floats, least: f32, to: *mut f32) {
        // The maximum with a NaN is the second number.
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to, _mm256_max_ps(_mm256_set1_ps(least), floats)) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, floats: Self::Floats, round: Round, to: *mut u8) {
        // SAFETY: see above.
        unsafe {
            let x = _mm256_max_ps(floats, _mm256_set1_ps(round.low));
            let x = _mm256_min_ps(x, _mm256_set1_ps(round.high));
            let x = _mm256_castps_si256(_mm256_add_ps(x, _mm256_set1_ps(Round::SHIFT)));
            let x = _mm256_add_epi32(x, _mm256_set1_epi32(round.zero));
            // The low byte of each integer.
            let low = _mm256_set1_epi32(0x0c08_0400);
            let x = _mm256_shuffle_epi8(x, low);
            let [first, second] = [_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x)];
            _mm_storel_epi64(to.cast(), _mm_unpacklo_epi32(first, second));
        }
    }
}

/// AVX-512: 512 bits.
///
/// A value must exist only if the processor has AVX-512.
#[derive(Clone, Copy)]
pub(in super::super) struct Zmm;

impl Lanes for Zmm {
    const LANES: usize = 16;

    type Sums = __m512i;
    type Floats = __m512;

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller, and the processor has AVX-512.
        unsafe { _mm512_loadu_si512(at.cast()) }
    }

    #[inline(always)]
    unsafe fn load_floats(self, at: *const f32) -> Self::Floats {
        // SAFETY: guaranteed by the caller, and the processor has AVX-512.
        unsafe { _mm512_loadu_ps(at) }
    }

    #[inline(always)]
    fn floats(
        self,
        sums: Self::Sums,
        bias: Self::Floats,
        multiplier: Self::Floats,
    ) -> Self::Floats {
        // SAFETY: the processor has AVX-512.
        unsafe { _mm512_mul_ps(_mm512_add_ps(_mm512_cvtepi32_ps(sums), bias), multiplier) }
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
            let bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(bytes.cast()));
            let of_bytes = _mm512_cvtepi32_ps(_mm512_sub_epi32(bytes, _mm512_set1_epi32(zero)));
            _mm512_add_ps(floats, _mm512_mul_ps(of_bytes, _mm512_set1_ps(ratio)))
        }
    }

    #[inline(always)]
    fn add(self, floats: Self::Floats, others: Self::Floats) -> Self::Floats {
        // SAFETY: the processor has AVX-512.
        unsafe { _mm512_add_ps(floats, others) }
    }

    #[inline(always)]
    unsafe fn store(self, floats: Self::Floats, least: f32, to: *mut f32) {
        // The maximum with a NaN is the second number.
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to, _mm512_max_ps(_mm512_set1_ps(least), floats)) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, floats: Self::Floats, round: Round, to: *mut u8) {
        // SAFETY: see above.
        unsafe {
            let x = _mm512_max_ps(floats, _mm512_set1_ps(round.low));
            let x = _mm512_min_ps(x, _mm512_set1_ps(round.high));
            let x = _mm512_castps_si512(_mm512_add_ps(x, _mm512_set1_ps(Round::SHIFT)));
            let x = _mm512_add_epi32(x, _mm512_set1_epi32(round.zero));
            _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(x));
        }
    }

    #[inline(always)]
    unsafe fn store_all<const VECTORS: usize>(
        self,
        floats: [Self::Floats; VECTORS],
        round: Round,
        to: *mut u8,
    ) {
        let [a, b, c, d] = match floats.first_chunk::<4>() {
            Some(four) if VECTORS == 4 => *four,
            _ => {
                for (vector, floats) in floats.into_iter().enumerate() {
                    // SAFETY: guaranteed by the caller.
                    unsafe { self.store_bytes(floats, round, to.add(vector * Self::LANES)) };
                }
                return;
            }
        };
        // SAFETY: see above. The packs saturate, so the limits apply to all bytes at once. NaN and
        // numbers below all integers become the least integer.
        unsafe {
            let high = _mm512_set1_ps(round.high);
            let a = _mm512_cvtps_epi32(_mm512_min_ps(high, a));
            let b = _mm512_cvtps_epi32(_mm512_min_ps(high, b));
            let c = _mm512_cvtps_epi32(_mm512_min_ps(high, c));
            let d = _mm512_cvtps_epi32(_mm512_min_ps(high, d));
            let zero = _mm512_set1_epi16(round.zero as i16);
            let ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
            let cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero);
            let least = _mm512_set1_epi8((round.low as i32 + round.zero) as i8);
            let bytes = _mm512_max_epu8(_mm512_packus_epi16(ab, cd), least);
            // Each part of 128 bits has four bytes of each vector.
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            _mm512_storeu_si512(to.cast(), _mm512_permutexvar_epi32(order, bytes));
        }
    }
}
