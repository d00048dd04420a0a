//! Which vectors this processor has.

use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};

/// The widest that were found, AVX-512, AVX2 with FMA, NEON or none.
pub(crate) fn arch() -> Arch {
    static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);
    *ARCH
}

/// What the packing of weights depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Vectors {
    /// `f32`s in one.
    pub(crate) lanes: usize,
    /// Vectors of outputs that the registers hold beside each other.
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
    static VECTORS: LazyLock<Vectors> = LazyLock::new(|| arch().dispatch(Query));
    *VECTORS
}

/// Four vectors of outputs for six pixels fill 32 registers, two fill 16.
pub(crate) const fn beside<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 4 } else { 2 }
}
