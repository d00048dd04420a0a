//! Drawn shapes: a dataset that needs no download.

use crate::dataset::{Dataset, Labels, Sample, Source};
use crate::drawing::SHAPES;

impl Dataset {
    /// `count` pictures of 32x32 pixels with one shape each, of six kinds in turn: colours, place, size, angle and noise
    /// are drawn by the seed. Another seed gives other pictures.
    pub fn shapes(count: usize, seed: u64) -> Self {
        let sample = |number: usize| {
            let class = number % SHAPES.len();
            Sample {
                source: Source::Shape {
                    class,
                    seed: seed.wrapping_mul(1_000_003).wrapping_add(number as u64),
                },
                labels: Labels::One(class),
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
        let [a, b] = [1, 2].map(|seed| Dataset::shapes(12, seed));
        assert_eq!(a.counts(), [2; 6]);
        for (a, b) in a.samples().iter().zip(b.samples()) {
            assert_ne!(a.rgb().unwrap(), b.rgb().unwrap());
        }
    }
}
