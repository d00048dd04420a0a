//! Pillow's fixed-point resampling weights.

use crate::filter::Filter;

/// The fractional bits of a quantized weight: 32, minus 8 for the pixel and 2 for the overshoot of
/// a cubic. Equals Pillow's `PRECISION_BITS`.
pub(super) const PRECISION_BITS: u32 = 32 - 8 - 2;
pub(super) const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// The quantized weights of the output positions `first..first + count` along one axis, as in
/// Pillow's `precompute_coeffs` and `normalize_coeffs_8bpc`.
pub(super) struct Weights {
    /// For each output position, the first source position and the end of its weights in `taps`.
    bounds: Vec<(u32, u32)>,
    taps: Vec<i32>,
}

impl Weights {
    pub(super) fn new(in_size: u32, out_size: u64, first: u64, count: u32, filter: Filter) -> Self {
        let scale = f64::from(in_size) / out_size as f64;
        let filter_scale = scale.max(1.0);
        let support = filter.support() * filter_scale;
        let inverse = 1.0 / filter_scale;
        let mut weights = Vec::new();
        let mut taps = Vec::new();
        let bounds = (first..first + u64::from(count))
            .map(|position| {
                let center = (position as f64 + 0.5) * scale;
                let start = ((center - support + 0.5) as i64).clamp(0, in_size.into());
                let end = ((center + support + 0.5) as i64).min(in_size.into());
                weights.clear();
                weights.extend(
                    (start..end).map(|x| filter.weight((x as f64 - center + 0.5) * inverse)),
                );
                // Adds from left to right like Pillow, as the order determines the last bit.
                let sum = weights.iter().fold(0.0, |sum, weight| sum + weight);
                taps.extend(
                    weights
                        .iter()
                        .map(|w| quantize(if sum == 0.0 { *w } else { w / sum })),
                );
                (start as u32, taps.len() as u32)
            })
            .collect();
        Self { bounds, taps }
    }

    pub(super) fn at(&self, index: usize) -> (usize, &[i32]) {
        let (start, end) = self.bounds[index];
        let begin = if index == 0 {
            0
        } else {
            self.bounds[index - 1].1
        };
        (start as usize, &self.taps[begin as usize..end as usize])
    }

    /// Returns the range of source positions that the outputs read.
    pub(super) fn source_range(&self) -> std::ops::Range<usize> {
        let (start, _) = self.at(0);
        let (last, taps) = self.at(self.bounds.len() - 1);
        start..last + taps.len()
    }
}

fn quantize(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    (if weight < 0.0 {
        scaled - 0.5
    } else {
        scaled + 0.5
    }) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_a_row_bilinear_weighs_eighths() {
        let weights = Weights::new(8, 4, 0, 4, Filter::Bilinear);
        // Position 1 has its center at 3.0 and support 2: pixels 1 to 4 have the weights 1/8 3/8
        // 3/8 1/8.
        let one = 1 << PRECISION_BITS;
        assert_eq!(
            weights.at(1),
            (1, &[one / 8, 3 * one / 8, 3 * one / 8, one / 8][..])
        );
    }
}
