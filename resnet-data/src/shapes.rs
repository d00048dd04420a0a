//! A dataset of drawn shapes, which needs no download.

use crate::dataset::{Dataset, Sample, SampleLabels, Source};
use crate::drawing::SHAPES;

impl Dataset {
    /// Draws `count` images of 32x32 pixels with one shape each. The six kinds of shapes alternate;
    /// the color, position, size, angle and noise are random. The seed is 1.
    pub fn shapes(count: usize) -> Self {
        Self::shapes_with_seed(count, 1)
    }

    /// Draws shapes with another seed, which gives different images.
    pub fn shapes_with_seed(count: usize, seed: u64) -> Self {
        let sample = |number: usize| {
            let class = number % SHAPES.len();
            Sample {
                source: Source::Shape {
                    class,
                    seed: seed.wrapping_mul(1_000_003).wrapping_add(number as u64),
                },
                labels: SampleLabels::One(class),
            }
        };
        let samples = (0..count).map(sample).collect();
        Self::new(SHAPES.map(String::from).into(), samples).with_own_order()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_seed_gives_other_images() {
        let [a, b] = [1, 2].map(|seed| Dataset::shapes_with_seed(12, seed));
        assert_eq!(a.counts(), [2; 6]);
        for (a, b) in a.samples().iter().zip(b.samples()) {
            assert_ne!(a.rgb().unwrap(), b.rgb().unwrap());
        }
    }
}
