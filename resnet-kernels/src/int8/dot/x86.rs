//! Sums of products on x86.

use core::arch::x86_64::*;

use super::{Dot, Fours};
use crate::int8::requantize::Round;

/// AVX2: 16-bit products of pairs.
///
/// A value must exist only if the processor has AVX2.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2;

impl Avx2 {
    /// Widens inputs 0 and 2, and inputs 1 and 3, to 16 bits.
    #[inline(always)]
    fn widen(all: __m256i) -> [__m256i; 2] {
        // SAFETY: the processor has AVX2.
        unsafe {
            let even = _mm256_and_si256(all, _mm256_set1_epi16(0xff));
            [even, _mm256_srli_epi16::<8>(all)]
        }
    }
}

impl Dot for Avx2 {
    const LANES: usize = 8;
    const VECTORS: usize = 2;
    /// The multiplication reads 16-bit integers.
    const BYTES: usize = 2;

    type Sums = __m256i;
    type Inputs = [__m256i; 2];
    type Numbers = __m256;

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller, and the processor has AVX2.
        unsafe { _mm256_loadu_si256(at.cast()) }
    }

    #[inline(always)]
    unsafe fn inputs(self, at: *const u8) -> Self::Inputs {
        // SAFETY: the caller guarantees the bytes, and the processor has AVX2.
        Self::widen(unsafe { _mm256_set1_epi32(at.cast::<i32>().read_unaligned()) })
    }

    #[inline(always)]
    unsafe fn spread(self, at: *const u8, fours: &Fours) -> Self::Inputs {
        // SAFETY: see above.
        Self::widen(unsafe { spread256(at, fours) })
    }

    #[inline(always)]
    unsafe fn dot(self, sums: Self::Sums, x: Self::Inputs, weights: *const u8) -> Self::Sums {
        // SAFETY: see above.
        unsafe {
            let even = _mm256_loadu_si256(weights.cast());
            let odd = _mm256_loadu_si256(weights.add(32).cast());
            let sums = _mm256_add_epi32(sums, _mm256_madd_epi16(x[0], even));
            _mm256_add_epi32(sums, _mm256_madd_epi16(x[1], odd))
        }
    }

    #[inline(always)]
    unsafe fn load_numbers(self, at: *const f32) -> Self::Numbers {
        // SAFETY: guaranteed by the caller, and the processor has AVX2.
        unsafe { _mm256_loadu_ps(at) }
    }

    #[inline(always)]
    fn numbers(
        self,
        sums: Self::Sums,
        bias: Self::Numbers,
        multiplier: Self::Numbers,
    ) -> Self::Numbers {
        // SAFETY: the processor has AVX2.
        unsafe { _mm256_mul_ps(_mm256_add_ps(_mm256_cvtepi32_ps(sums), bias), multiplier) }
    }

    #[inline(always)]
    unsafe fn add_bytes(
        self,
        numbers: Self::Numbers,
        bytes: *const u8,
        zero: i32,
        ratio: f32,
    ) -> Self::Numbers {
        // SAFETY: see above.
        unsafe { add_bytes256(numbers, bytes, zero, ratio) }
    }

    #[inline(always)]
    fn add(self, numbers: Self::Numbers, others: Self::Numbers) -> Self::Numbers {
        // SAFETY: the processor has AVX2.
        unsafe { _mm256_add_ps(numbers, others) }
    }

    #[inline(always)]
    unsafe fn store(self, numbers: Self::Numbers, least: f32, to: *mut f32) {
        // The maximum with a NaN is the second number.
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to, _mm256_max_ps(numbers, _mm256_set1_ps(least))) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, numbers: Self::Numbers, round: Round, to: *mut u8) {
        // SAFETY: see above.
        unsafe { store_bytes256(numbers, round, to) };
    }

    fn place(lane: usize, input: usize) -> usize {
        16 * (input % 2) + 2 * lane + input / 2
    }
}

/// Loads 8 bytes, and gives each lane its four.
///
/// # Safety
///
/// 8 bytes are readable at `at`, and the processor has AVX2.
#[inline(always)]
unsafe fn spread256(at: *const u8, fours: &Fours) -> __m256i {
    // SAFETY: guaranteed by the caller. The list has 16 integers.
    unsafe {
        let all = _mm256_castsi128_si256(_mm_loadl_epi64(at.cast()));
        _mm256_permutevar8x32_epi32(all, _mm256_loadu_si256(fours.as_ptr().cast()))
    }
}

/// AVX-512 with VNNI: products of four bytes.
///
/// A value must exist only if the processor has them.
#[derive(Clone, Copy)]
pub(in super::super) struct Vnni512;

impl Dot for Vnni512 {
    const LANES: usize = 16;
    const VECTORS: usize = 4;
    const BYTES: usize = 1;

    type Sums = __m512i;
    type Inputs = __m512i;
    type Numbers = __m512;

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller, and the processor has AVX-512.
        unsafe { _mm512_loadu_si512(at.cast()) }
    }

    #[inline(always)]
    unsafe fn inputs(self, at: *const u8) -> Self::Inputs {
        // SAFETY: the caller guarantees the bytes, and the processor has AVX-512.
        unsafe { _mm512_set1_epi32(at.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn spread(self, at: *const u8, fours: &Fours) -> Self::Inputs {
        // SAFETY: see above. The list has 16 integers.
        unsafe {
            let all = _mm512_castsi128_si512(_mm_loadu_si128(at.cast()));
            _mm512_permutexvar_epi32(_mm512_loadu_si512(fours.as_ptr().cast()), all)
        }
    }

    #[inline(always)]
    unsafe fn dot(self, sums: Self::Sums, x: Self::Inputs, weights: *const u8) -> Self::Sums {
        // SAFETY: see above. The processor has VNNI.
        unsafe { _mm512_dpbusd_epi32(sums, x, _mm512_loadu_si512(weights.cast())) }
    }

    #[inline(always)]
    unsafe fn load_numbers(self, at: *const f32) -> Self::Numbers {
        // SAFETY: guaranteed by the caller, and the processor has AVX-512.
        unsafe { _mm512_loadu_ps(at) }
    }

    #[inline(always)]
    fn numbers(
        self,
        sums: Self::Sums,
        bias: Self::Numbers,
        multiplier: Self::Numbers,
    ) -> Self::Numbers {
        // SAFETY: the processor has AVX-512.
        unsafe { _mm512_mul_ps(_mm512_add_ps(_mm512_cvtepi32_ps(sums), bias), multiplier) }
    }

    #[inline(always)]
    unsafe fn add_bytes(
        self,
        numbers: Self::Numbers,
        bytes: *const u8,
        zero: i32,
        ratio: f32,
    ) -> Self::Numbers {
        // SAFETY: see above.
        unsafe {
            let bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(bytes.cast()));
            let numbers_of_bytes =
                _mm512_cvtepi32_ps(_mm512_sub_epi32(bytes, _mm512_set1_epi32(zero)));
            _mm512_add_ps(
                numbers,
                _mm512_mul_ps(numbers_of_bytes, _mm512_set1_ps(ratio)),
            )
        }
    }

    #[inline(always)]
    fn add(self, numbers: Self::Numbers, others: Self::Numbers) -> Self::Numbers {
        // SAFETY: the processor has AVX-512.
        unsafe { _mm512_add_ps(numbers, others) }
    }

    #[inline(always)]
    unsafe fn store(self, numbers: Self::Numbers, least: f32, to: *mut f32) {
        // The maximum with a NaN is the second number.
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to, _mm512_max_ps(numbers, _mm512_set1_ps(least))) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, numbers: Self::Numbers, round: Round, to: *mut u8) {
        // SAFETY: see above.
        unsafe {
            let x = _mm512_max_ps(numbers, _mm512_set1_ps(round.low));
            let x = _mm512_min_ps(x, _mm512_set1_ps(round.high));
            let x = _mm512_castps_si512(_mm512_add_ps(x, _mm512_set1_ps(Round::SHIFT)));
            let x = _mm512_add_epi32(x, _mm512_set1_epi32(round.zero));
            _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(x));
        }
    }
}

/// AVX-VNNI: products of four bytes in vectors of 256 bits.
///
/// A value must exist only if the processor has it.
#[derive(Clone, Copy)]
pub(in super::super) struct Vnni256;

impl Dot for Vnni256 {
    const LANES: usize = 8;
    const VECTORS: usize = 2;
    const BYTES: usize = 1;

    type Sums = __m256i;
    type Inputs = __m256i;
    type Numbers = __m256;

    #[inline(always)]
    unsafe fn load(self, at: *const i32) -> Self::Sums {
        // SAFETY: guaranteed by the caller, and the processor has AVX2.
        unsafe { _mm256_loadu_si256(at.cast()) }
    }

    #[inline(always)]
    unsafe fn inputs(self, at: *const u8) -> Self::Inputs {
        // SAFETY: the caller guarantees the bytes, and the processor has AVX2.
        unsafe { _mm256_set1_epi32(at.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn spread(self, at: *const u8, fours: &Fours) -> Self::Inputs {
        // SAFETY: see above.
        unsafe { spread256(at, fours) }
    }

    #[inline(always)]
    unsafe fn dot(self, sums: Self::Sums, x: Self::Inputs, weights: *const u8) -> Self::Sums {
        // SAFETY: see above. The processor has AVX-VNNI.
        unsafe { _mm256_dpbusd_avx_epi32(sums, x, _mm256_loadu_si256(weights.cast())) }
    }

    #[inline(always)]
    unsafe fn load_numbers(self, at: *const f32) -> Self::Numbers {
        // SAFETY: guaranteed by the caller, and the processor has AVX2.
        unsafe { _mm256_loadu_ps(at) }
    }

    #[inline(always)]
    fn numbers(
        self,
        sums: Self::Sums,
        bias: Self::Numbers,
        multiplier: Self::Numbers,
    ) -> Self::Numbers {
        // SAFETY: the processor has AVX2.
        unsafe { _mm256_mul_ps(_mm256_add_ps(_mm256_cvtepi32_ps(sums), bias), multiplier) }
    }

    #[inline(always)]
    unsafe fn add_bytes(
        self,
        numbers: Self::Numbers,
        bytes: *const u8,
        zero: i32,
        ratio: f32,
    ) -> Self::Numbers {
        // SAFETY: see above.
        unsafe { add_bytes256(numbers, bytes, zero, ratio) }
    }

    #[inline(always)]
    fn add(self, numbers: Self::Numbers, others: Self::Numbers) -> Self::Numbers {
        // SAFETY: the processor has AVX2.
        unsafe { _mm256_add_ps(numbers, others) }
    }

    #[inline(always)]
    unsafe fn store(self, numbers: Self::Numbers, least: f32, to: *mut f32) {
        // The maximum with a NaN is the second number.
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to, _mm256_max_ps(numbers, _mm256_set1_ps(least))) };
    }

    #[inline(always)]
    unsafe fn store_bytes(self, numbers: Self::Numbers, round: Round, to: *mut u8) {
        // SAFETY: see above.
        unsafe { store_bytes256(numbers, round, to) };
    }
}

/// # Safety
///
/// Eight bytes are readable at `bytes`, and the processor has AVX2.
#[inline(always)]
unsafe fn add_bytes256(numbers: __m256, bytes: *const u8, zero: i32, ratio: f32) -> __m256 {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes.cast()));
        let of_bytes = _mm256_cvtepi32_ps(_mm256_sub_epi32(bytes, _mm256_set1_epi32(zero)));
        _mm256_add_ps(numbers, _mm256_mul_ps(of_bytes, _mm256_set1_ps(ratio)))
    }
}

/// # Safety
///
/// There is room for eight bytes at `to`, and the processor has AVX2.
#[inline(always)]
unsafe fn store_bytes256(numbers: __m256, round: Round, to: *mut u8) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let x = _mm256_max_ps(numbers, _mm256_set1_ps(round.low));
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
