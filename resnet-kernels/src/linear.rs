//! Products of a matrix and vectors, for classifiers.

use pulp::{Simd, WithSimd};

use crate::parallel;
use crate::simd::arch;

/// Computes `weight * x + bias` for each row of `x`.
///
/// Each product is summed in 32 or more parts, so its rounding errors are small.
///
/// # Shapes
/// - `x`: `[batch, inputs]`
/// - `weight`: `[outputs, inputs]`, `bias`: `[outputs]`
/// - `out`: `[batch, outputs]`
///
/// # Panics
///
/// Panics if the number of values is wrong or there are no inputs.
pub fn linear(x: &[f32], weight: &[f32], bias: &[f32], out: &mut [f32]) {
    /// Number of outputs that one core takes at a time.
    const ROWS: usize = 32;
    let outputs = bias.len();
    if outputs == 0 {
        return;
    }
    let inputs = weight.len() / outputs;
    assert!(inputs > 0, "expected inputs, found none");
    assert_eq!(weight.len(), outputs * inputs, "weights");
    assert_eq!(x.len() / inputs * outputs, out.len(), "outputs");
    assert_eq!(x.len() % inputs, 0, "inputs");
    let batch = x.len() / inputs;
    let out = parallel::Shared::new(out);
    parallel::each(outputs.div_ceil(ROWS), |part| {
        let rows = part * ROWS..outputs.min((part + 1) * ROWS);
        for row in rows {
            let weight = &weight[row * inputs..][..inputs];
            for image in 0..batch {
                let x = &x[image * inputs..][..inputs];
                let at = image * outputs + row;
                // SAFETY: no other row has this output.
                let out = unsafe { out.slice(at..at + 1) };
                out[0] = arch().dispatch(Dot(x, weight)) + bias[row];
            }
        }
    });
}

/// The sum of the products of two vectors of the same length.
struct Dot<'a>(&'a [f32], &'a [f32]);

impl WithSimd for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (a, a_rest) = S::as_simd_f32s(self.0);
        let (b, b_rest) = S::as_simd_f32s(self.1);
        let (a, a_last) = a.as_chunks::<4>();
        let (b, b_last) = b.as_chunks::<4>();
        let mut sums = [simd.splat_f32s(0.0); 4];
        for (a, b) in a.iter().zip(b) {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum = simd.mul_add_e_f32s(*a, *b, *sum);
            }
        }
        for (a, b) in a_last.iter().zip(b_last) {
            sums[0] = simd.mul_add_e_f32s(*a, *b, sums[0]);
        }
        let [a, b, c, d] = sums;
        let sum = simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d));
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
        simd.reduce_sum_f32s(sum) + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_any_length_are_exact_for_integers() {
        for inputs in [1, 7, 16, 64, 100, 1025] {
            for (batch, outputs) in [(1, 1), (3, 70), (2, 33)] {
                let value = |index: usize| (index * 7 % 11) as f32 - 5.0;
                let x: Vec<f32> = (0..batch * inputs).map(value).collect();
                let weight: Vec<f32> = (0..outputs * inputs).map(|i| value(i + 3)).collect();
                let bias: Vec<f32> = (0..outputs).map(|i| i as f32).collect();
                let mut out = vec![0.0; batch * outputs];
                linear(&x, &weight, &bias, &mut out);
                for (index, out) in out.iter().enumerate() {
                    let (image, row) = (index / outputs, index % outputs);
                    let products =
                        (0..inputs).map(|i| x[image * inputs + i] * weight[row * inputs + i]);
                    assert_eq!(*out, products.sum::<f32>() + bias[row], "{inputs} {index}");
                }
            }
        }
    }
}
