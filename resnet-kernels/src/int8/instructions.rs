//! The choice of instructions for sums of products.

#[cfg(all(target_arch = "aarch64", target_endian = "little", not(miri)))]
use super::dot::neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::dot::wasm;
#[cfg(all(target_arch = "x86_64", not(miri)))]
use super::dot::x86;
use super::dot::{Dot, Portable};
use super::kernel::Part;

/// The instructions that compute sums of products. All give the same integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Instructions {
    /// Any processor.
    Portable,
    /// AVX2, which multiplies 16-bit integers.
    Avx2,
    /// AVX-VNNI, which multiplies bytes in vectors of 256 bits.
    AvxVnni,
    /// AVX-512 VNNI, which multiplies bytes in vectors of 512 bits.
    Avx512Vnni,
    /// NEON, which multiplies 16-bit integers.
    Neon,
    /// The dot products of ARMv8.2, which multiply bytes.
    Sdot,
    /// WebAssembly's `simd128`, which multiplies 16-bit integers.
    Simd128,
}

/// The sizes that determine the order of packed weights.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) lanes: usize,
    /// Number of vectors of a panel.
    pub(super) vectors: usize,
    /// Size of a weight in bytes.
    pub(super) bytes: usize,
    /// [`Dot::OFFSET`].
    pub(super) offset: i32,
    /// [`Dot::place`].
    pub(super) place: fn(usize, usize) -> usize,
}

impl Layout {
    fn of<D: Dot>() -> Self {
        Self {
            lanes: D::LANES,
            vectors: D::VECTORS,
            bytes: D::BYTES,
            offset: D::OFFSET,
            place: D::place,
        }
    }
}

impl Instructions {
    /// The fastest first.
    const ALL: [Self; 7] = [
        Self::Avx512Vnni,
        Self::AvxVnni,
        Self::Avx2,
        Self::Sdot,
        Self::Neon,
        Self::Simd128,
        Self::Portable,
    ];

    /// Returns the fastest instructions that the processor has and `RESNET_CPU_SIMD` allows.
    pub fn fastest() -> Self {
        let allowed = |instructions: &Self| match crate::simd() {
            "none" => *instructions == Self::Portable,
            "avx2" => *instructions != Self::Avx512Vnni,
            _ => true,
        };
        Self::available().find(allowed).unwrap_or(Self::Portable)
    }

    /// Returns all instructions that the processor has, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|each| each.exist())
    }

    /// Returns whether the processor has the instructions.
    fn exist(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(all(target_arch = "x86_64", feature = "std", not(miri)))]
            Self::Avx2 | Self::AvxVnni | Self::Avx512Vnni => features::exist(self),
            #[cfg(all(target_arch = "aarch64", target_endian = "little", not(miri)))]
            Self::Neon => true,
            #[cfg(all(
                target_arch = "aarch64",
                target_endian = "little",
                feature = "std",
                not(miri)
            ))]
            Self::Sdot => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => true,
            _ => false,
        }
    }

    pub(super) fn layout(self) -> Layout {
        match self {
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::Avx2 => Layout::of::<x86::Avx2>(),
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::AvxVnni => Layout::of::<x86::Vnni256>(),
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::Avx512Vnni => Layout::of::<x86::Vnni512>(),
            #[cfg(all(target_arch = "aarch64", target_endian = "little", not(miri)))]
            Self::Neon => Layout::of::<neon::Neon>(),
            #[cfg(all(target_arch = "aarch64", target_endian = "little", not(miri)))]
            Self::Sdot => Layout::of::<neon::Sdot>(),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => Layout::of::<wasm::Simd128>(),
            _ => Layout::of::<Portable>(),
        }
    }

    /// Computes a part of a convolution.
    ///
    /// # Safety
    ///
    /// The processor has the instructions.
    pub(super) unsafe fn run(self, part: &Part<'_>) {
        match self {
            // SAFETY: guaranteed by the caller.
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::Avx2 => unsafe { features::avx2(part) },
            // SAFETY: see above.
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::AvxVnni => unsafe { features::avx_vnni(part) },
            // SAFETY: see above.
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::Avx512Vnni => unsafe { features::avx512_vnni(part) },
            // NEON and `simd128` are features of the target.
            #[cfg(all(target_arch = "aarch64", target_endian = "little", not(miri)))]
            Self::Neon => part.run(neon::Neon),
            #[cfg(all(target_arch = "aarch64", target_endian = "little", not(miri)))]
            Self::Sdot => part.run(neon::Sdot),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => part.run(wasm::Simd128),
            _ => crate::vectorize(
                #[inline(always)]
                || part.run(Portable),
            ),
        }
    }
}

/// [`Part::run`] compiled for the features of a processor.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod features {
    #[cfg(feature = "std")]
    use super::Instructions;
    use super::{Part, x86};

    /// Returns whether the processor has the instructions.
    #[cfg(feature = "std")]
    pub(super) fn exist(instructions: Instructions) -> bool {
        use std::arch::is_x86_feature_detected;
        is_x86_feature_detected!("avx2")
            && match instructions {
                Instructions::Avx2 => true,
                Instructions::AvxVnni => is_x86_feature_detected!("avxvnni"),
                Instructions::Avx512Vnni => {
                    is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512bw")
                        && is_x86_feature_detected!("avx512vl")
                        && is_x86_feature_detected!("avx512vnni")
                }
                _ => false,
            }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(part: &Part<'_>) {
        part.run(x86::Avx2);
    }

    #[target_feature(enable = "avx2,avxvnni")]
    pub(super) fn avx_vnni(part: &Part<'_>) {
        part.run(x86::Vnni256);
    }

    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
    pub(super) fn avx512_vnni(part: &Part<'_>) {
        part.run(x86::Vnni512);
    }
}
