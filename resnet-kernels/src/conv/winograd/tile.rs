//! The transforms of Winograd's algorithm, for one row or column.

use pulp::Simd;

/// The transforms that compute `OUT` outputs from `IN = OUT + 2` inputs and three weights.
pub(super) trait Tile<const IN: usize, const OUT: usize> {
    /// The matrix `G`.
    const WEIGHTS: [[f64; 3]; IN];

    /// Returns `Bᵀ d`.
    fn inputs<S: Simd>(simd: S, d: [S::f32s; IN]) -> [S::f32s; IN];

    /// Returns `Aᵀ m`.
    fn outputs<S: Simd>(simd: S, m: [S::f32s; IN]) -> [S::f32s; OUT];
}

/// F(2, 3), with the interpolation points 0, 1, -1 and infinity.
pub(super) struct Two;

impl Tile<4, 2> for Two {
    const WEIGHTS: [[f64; 3]; 4] = [
        [1.0, 0.0, 0.0],
        [0.5, 0.5, 0.5],
        [0.5, -0.5, 0.5],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    fn inputs<S: Simd>(simd: S, d: [S::f32s; 4]) -> [S::f32s; 4] {
        [
            simd.sub_f32s(d[0], d[2]),
            simd.add_f32s(d[1], d[2]),
            simd.sub_f32s(d[2], d[1]),
            simd.sub_f32s(d[3], d[1]),
        ]
    }

    #[inline(always)]
    fn outputs<S: Simd>(simd: S, m: [S::f32s; 4]) -> [S::f32s; 2] {
        [
            simd.add_f32s(m[0], simd.add_f32s(m[1], m[2])),
            simd.add_f32s(m[3], simd.sub_f32s(m[1], m[2])),
        ]
    }
}

/// F(4, 3), with the interpolation points 0, A, -A, B, -B and infinity.
///
/// With these values of A and B, all constants of the input and output transforms are exact in
/// `f32`. The usual points 1 and 2 double the typical rounding errors and triple the largest ones.
pub(super) struct Four;

const A: f64 = 0.625;
const B: f64 = 1.5;
const A2: f64 = A * A;
const B2: f64 = B * B;

impl Tile<6, 4> for Four {
    const WEIGHTS: [[f64; 3]; 6] = {
        let (a, b) = (2.0 * A2 * (A2 - B2), 2.0 * B2 * (B2 - A2));
        [
            [1.0 / (A2 * B2), 0.0, 0.0],
            [1.0 / a, A / a, A2 / a],
            [1.0 / a, -A / a, A2 / a],
            [1.0 / b, B / b, B2 / b],
            [1.0 / b, -B / b, B2 / b],
            [0.0, 0.0, 1.0],
        ]
    };

    #[inline(always)]
    fn inputs<S: Simd>(simd: S, d: [S::f32s; 6]) -> [S::f32s; 6] {
        let even_a = times(simd, -B2, d[2], d[4]);
        let odd_a = times(simd, -B2, d[1], d[3]);
        let even_b = times(simd, -A2, d[2], d[4]);
        let odd_b = times(simd, -A2, d[1], d[3]);
        let first = times(simd, -(A2 + B2), d[2], d[4]);
        let last = times(simd, -(A2 + B2), d[3], d[5]);
        [
            times(simd, A2 * B2, d[0], first),
            times(simd, A, odd_a, even_a),
            times(simd, -A, odd_a, even_a),
            times(simd, B, odd_b, even_b),
            times(simd, -B, odd_b, even_b),
            times(simd, A2 * B2, d[1], last),
        ]
    }

    #[inline(always)]
    fn outputs<S: Simd>(simd: S, m: [S::f32s; 6]) -> [S::f32s; 4] {
        let (sum_a, sum_b) = (simd.add_f32s(m[1], m[2]), simd.add_f32s(m[3], m[4]));
        let odd_a = simd.sub_f32s(m[1], m[2]);
        let odd_b = simd.sub_f32s(m[3], m[4]);
        let zero = simd.splat_f32s(0.0);
        [
            simd.add_f32s(m[0], simd.add_f32s(sum_a, sum_b)),
            times(simd, A, odd_a, times(simd, B, odd_b, zero)),
            times(simd, A2, sum_a, times(simd, B2, sum_b, zero)),
            times(simd, A2 * A, odd_a, times(simd, B2 * B, odd_b, m[5])),
        ]
    }
}

/// Returns `factor * x + y`. A closure would not inherit the vector instructions of its caller.
#[inline(always)]
fn times<S: Simd>(simd: S, factor: f64, x: S::f32s, y: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(factor as f32), x, y)
}
