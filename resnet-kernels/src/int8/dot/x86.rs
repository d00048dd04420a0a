//! Sums of products on x86.

use core::arch::x86_64::*;

use super::{Dot, Fours, Sums};
use crate::int8::lanes::x86::{Ymm, Zmm};

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
    const VECTORS: usize = 2;
    /// The multiplication reads 16-bit integers.
    const BYTES: usize = 2;

    type Lanes = Ymm;
    type Inputs = [__m256i; 2];

    fn lanes(self) -> Ymm {
        Ymm
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
    unsafe fn dot(self, sums: Sums<Self>, x: Self::Inputs, weights: *const u8) -> Sums<Self> {
        // SAFETY: see above.
        unsafe {
            let even = _mm256_loadu_si256(weights.cast());
            let odd = _mm256_loadu_si256(weights.add(32).cast());
            let sums = _mm256_add_epi32(sums, _mm256_madd_epi16(x[0], even));
            _mm256_add_epi32(sums, _mm256_madd_epi16(x[1], odd))
        }
    }

    fn place(lane: usize, input: usize) -> usize {
        16 * (input % 2) + 2 * lane + input / 2
    }

    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        prefetch(at);
    }
}

#[inline(always)]
fn prefetch(at: *const u8) {
    // SAFETY: a prefetch of any address has no other effect than on the cache.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
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
    const VECTORS: usize = 4;
    const BYTES: usize = 1;

    type Lanes = Zmm;
    type Inputs = __m512i;

    fn lanes(self) -> Zmm {
        Zmm
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
    unsafe fn dot(self, sums: Sums<Self>, x: Self::Inputs, weights: *const u8) -> Sums<Self> {
        // SAFETY: see above. The processor has VNNI.
        unsafe { _mm512_dpbusd_epi32(sums, x, _mm512_loadu_si512(weights.cast())) }
    }

    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        prefetch(at);
    }
}

/// AVX-VNNI: products of four bytes in vectors of 256 bits.
///
/// A value must exist only if the processor has it.
#[derive(Clone, Copy)]
pub(in super::super) struct Vnni256;

impl Dot for Vnni256 {
    const VECTORS: usize = 2;
    const BYTES: usize = 1;

    type Lanes = Ymm;
    type Inputs = __m256i;

    fn lanes(self) -> Ymm {
        Ymm
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
    unsafe fn dot(self, sums: Sums<Self>, x: Self::Inputs, weights: *const u8) -> Sums<Self> {
        // SAFETY: see above. The processor has AVX-VNNI.
        unsafe { _mm256_dpbusd_avx_epi32(sums, x, _mm256_loadu_si256(weights.cast())) }
    }

    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        prefetch(at);
    }
}
