//! SIMD dispatch to the vectors of the processor.

#[cfg(feature = "std")]
use std::sync::LazyLock;

#[cfg(not(miri))]
use pulp::Arch;
use pulp::{Simd, WithSimd};

#[cfg(miri)]
use portable::Arch;

/// Calls `work` compiled for the widest vectors of the processor.
///
/// The vectors reach only code that is inlined into `work`, so mark closures with
/// `#[inline(always)]`.
#[inline(always)]
pub fn vectorize<R>(work: impl FnOnce() -> R) -> R {
    arch().dispatch(work)
}

/// Returns the widest vectors of the processor. `RESNET_CPU_SIMD` selects narrower ones: `none`, or
/// `avx2` on a processor with AVX-512.
#[cfg(feature = "std")]
pub(crate) fn arch() -> Arch {
    static ARCH: LazyLock<Arch> =
        LazyLock::new(|| at_most(std::env::var("RESNET_CPU_SIMD").ok().as_deref()));
    *ARCH
}

/// Returns the widest vectors that the target is known to have.
#[cfg(not(feature = "std"))]
pub(crate) fn arch() -> Arch {
    Arch::new()
}

#[cfg(feature = "std")]
fn at_most(limit: Option<&str>) -> Arch {
    match limit {
        Some("none") => Arch::Scalar,
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Some("avx2") => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        _ => Arch::new(),
    }
}

/// Portable vectors for Miri, which supports few SIMD instructions.
#[cfg(miri)]
mod portable {
    use pulp::{Scalar, Scalar256b, Simd, WithSimd};

    #[derive(Clone, Copy)]
    pub(crate) enum Arch {
        Scalar,
        Wide,
    }

    impl Arch {
        pub(super) fn new() -> Self {
            Self::Wide
        }

        pub(crate) fn dispatch<Op: WithSimd>(self, op: Op) -> Op::Output {
            match self {
                Self::Scalar => Scalar::new().vectorize(op),
                Self::Wide => Scalar256b.vectorize(op),
            }
        }
    }
}

/// Returns the SIMD vectors in use: `avx512`, `avx2` (with FMA), `neon`, `simd128` (WebAssembly) or
/// `none`.
pub fn simd() -> &'static str {
    match arch() {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Arch::V4(_) => "avx512",
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Arch::V3(_) => "avx2",
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        Arch::Neon(_) => "neon",
        #[cfg(all(target_family = "wasm", not(miri)))]
        Arch::Simd128(_) => "simd128",
        _ => "none",
    }
}

/// The vector sizes that determine the packing of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Vectors {
    /// Number of `f32` values in a vector.
    pub(crate) lanes: usize,
    /// Number of vectors of output channels in registers, per pixel.
    pub(crate) beside: usize,
}

pub(crate) fn vectors() -> Vectors {
    struct Query;
    impl WithSimd for Query {
        type Output = Vectors;

        fn with_simd<S: Simd>(self, _simd: S) -> Vectors {
            Vectors {
                lanes: S::F32_LANES,
                beside: beside::<S>(),
            }
        }
    }
    arch().dispatch(Query)
}

/// Returns [`Vectors::beside`]. Four vectors for six pixels fill 32 registers, and two vectors fill
/// 16.
const fn beside<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 4 } else { 2 }
}
