//! The distribution of an activation.

use alloc::vec;
use alloc::vec::Vec;

use resnet_kernels::int8::Quantization;

/// Number of bins on each side of 0.
const HALF: usize = 2048;

/// The first range, whose inverse is finite.
const LEAST_RANGE: f32 = 1.0 / (1_u128 << 100) as f32;

/// A histogram whose range doubles when a value exceeds it.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    /// Counts of values from `-range` to `range`.
    bins: Vec<u64>,
    /// A power of two.
    range: f32,
    least: f32,
    most: f32,
    count: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self {
            bins: vec![0; 2 * HALF],
            range: LEAST_RANGE,
            least: f32::INFINITY,
            most: f32::NEG_INFINITY,
            count: 0,
        }
    }

    /// Adds values. Returns whether all are finite.
    pub(super) fn add(&mut self, values: &[f32]) -> bool {
        let (least, most) = values
            .iter()
            .fold((self.least, self.most), |(least, most), x| {
                (least.min(*x), most.max(*x))
            });
        if !values.iter().all(|value| value.is_finite()) {
            return false;
        }
        (self.least, self.most) = (least, most);
        while self.range < most.max(-least) {
            self.double();
        }
        let scale = HALF as f32 / self.range;
        for value in values {
            let bin = (value * scale) as isize + HALF as isize - isize::from(*value < 0.0);
            self.bins[bin.clamp(0, 2 * HALF as isize - 1) as usize] += 1;
        }
        self.count += values.len() as u64;
        true
    }

    /// Doubles the range: joins pairs of bins.
    fn double(&mut self) {
        self.range *= 2.0;
        if self.count == 0 {
            return;
        }
        let mut joined = vec![0; 2 * HALF];
        for (index, pair) in self.bins.chunks_exact(2).enumerate() {
            joined[HALF / 2 + index] = pair[0] + pair[1];
        }
        self.bins = joined;
    }

    /// Returns the center of a bin.
    fn center(&self, bin: usize) -> f32 {
        let center = (bin as f32 + 0.5 - HALF as f32) / HALF as f32 * self.range;
        center.clamp(self.least, self.most)
    }

    /// Returns the least and the largest value.
    pub(super) fn extremes(&self) -> [f32; 2] {
        match self.count {
            0 => [0.0; 2],
            _ => [self.least, self.most],
        }
    }

    /// Returns the range without the share `1 - percent / 100` of the values on each side.
    pub(super) fn percentile(&self, percent: f64) -> [f32; 2] {
        let cut = ((1.0 - percent / 100.0) * self.count as f64) as u64;
        let reach = |bins: &mut dyn Iterator<Item = usize>| {
            let mut left = cut;
            for bin in bins {
                if self.bins[bin] > left {
                    return self.center(bin);
                }
                left -= self.bins[bin];
            }
            0.0
        };
        [reach(&mut (0..2 * HALF)), reach(&mut (0..2 * HALF).rev())]
    }

    /// Returns the part of the range whose integers have the least mean squared error.
    pub(super) fn least_error(&self) -> [f32; 2] {
        const STEPS: usize = 100;
        /// Each end depends on the other.
        const ROUNDS: usize = 2;
        let all = self.extremes();
        let mut best = all;
        for end in [1, 0].repeat(ROUNDS) {
            let candidate = |step: usize| {
                let mut range = best;
                range[end] = all[end] * step as f32 / STEPS as f32;
                (self.error(quantization(range)), range)
            };
            let candidates = (STEPS / 10..=STEPS).rev().map(candidate);
            let least = candidates.min_by(|a, b| a.0.total_cmp(&b.0));
            best = least.map_or(best, |(_, range)| range);
        }
        best
    }

    /// Returns the sum of squared errors of the integers.
    fn error(&self, Quantization { scale, zero_point }: Quantization) -> f64 {
        let zero = f32::from(zero_point);
        let of_bins = self
            .bins
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0);
        let errors = of_bins.map(|(bin, count)| {
            let x = self.center(bin);
            let q = (libm::rintf(x / scale) + zero).clamp(0.0, 255.0);
            let error = f64::from((q - zero) * scale - x);
            error * error * *count as f64
        });
        errors.sum()
    }
}

/// Returns the quantization whose integers span a range and represent 0 exactly.
pub(super) fn quantization([least, most]: [f32; 2]) -> Quantization {
    let (least, most) = (least.min(0.0), most.max(0.0));
    let scale = (most - least) / 255.0;
    if !scale.is_normal() {
        return Quantization {
            scale: 1.0,
            zero_point: 0,
        };
    }
    Quantization {
        scale,
        zero_point: libm::rintf(-least / scale).clamp(0.0, 255.0) as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million values from -0.5 to 1, and an outlier.
    fn histogram() -> Histogram {
        let mut histogram = Histogram::new();
        for part in 0..10 {
            let values: Vec<f32> = (0..100_000)
                .map(|index| (index * 10 + part) as f32 / 1e6 * 1.5 - 0.5)
                .collect();
            assert!(histogram.add(&values));
        }
        assert!(histogram.add(&[7.0]));
        histogram
    }

    fn assert_near([least, most]: [f32; 2], expected: [f32; 2]) {
        let near = |found: f32, expected: f32| (found - expected).abs() < 0.01;
        assert!(
            near(least, expected[0]) && near(most, expected[1]),
            "{least} {most}"
        );
    }

    #[test]
    fn ranges_follow_the_values() {
        let histogram = histogram();
        assert_near(histogram.extremes(), [-0.5, 7.0]);
        assert_near(histogram.percentile(99.0), [-0.485, 0.985]);
        assert_near(histogram.percentile(100.0), [-0.5, 7.0]);
        assert_eq!(Histogram::new().extremes(), [0.0; 2]);
        assert_eq!(Histogram::new().percentile(99.0), [0.0; 2]);
    }

    #[test]
    fn the_least_error_cuts_an_outlier() {
        let mut histogram = histogram();
        let [_, most] = histogram.least_error();
        assert!(2.0 < most && most < 6.0, "{most}");
        assert!(!histogram.add(&[f32::NAN]));
    }

    #[test]
    fn integers_span_the_range_and_have_0() {
        let found = quantization([-1.0, 1.55]);
        assert_eq!((found.scale, found.zero_point), (0.01, 100));
        let found = quantization([0.5, 2.55]);
        assert_eq!((found.scale, found.zero_point), (0.01, 0));
        let found = quantization([0.0, 0.0]);
        assert_eq!((found.scale, found.zero_point), (1.0, 0));
    }
}
