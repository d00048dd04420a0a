//! The order of the images in an epoch.

use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::Dataset;
use crate::random::{For, random};

/// The sampling: which images an epoch has, and in which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Each image once, in the order of the dataset.
    Sequential,
    /// Each image once, in a new random order every epoch.
    #[default]
    Shuffled,
    /// As many images as the dataset has, drawn with replacement so that every class is equally
    /// likely, as with PyTorch's `WeightedRandomSampler`.
    Balanced,
    /// As many images as the dataset has, each several times in a row with different augmentation
    /// (repeated augmentation, Hoffer et al. 2019). An epoch uses only some of the images.
    Repeated {
        /// The number of repetitions, at least 1.
        times: usize,
    },
}

impl Sampling {
    /// Returns the sample indices of an epoch.
    pub(crate) fn order(self, dataset: &Dataset, seed: u64, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..dataset.len()).collect();
        let mut random = random(seed, For::Order, [epoch, 0]);
        match self {
            Self::Sequential => {}
            Self::Shuffled => order.shuffle(&mut random),
            Self::Repeated { times } => {
                order.shuffle(&mut random);
                let times = times.max(1);
                order = (0..order.len()).map(|place| order[place / times]).collect();
            }
            Self::Balanced => {
                let mut by_class = vec![Vec::new(); dataset.classes().len()];
                for (number, sample) in dataset.samples().iter().enumerate() {
                    for &label in sample.labels() {
                        by_class[label].push(number);
                    }
                }
                by_class.retain(|numbers| !numbers.is_empty());
                // If no image has a class, there is nothing to balance.
                let places = if by_class.is_empty() { 0 } else { order.len() };
                for place in &mut order[..places] {
                    let class = &by_class[random.random_range(0..by_class.len())];
                    *place = class[random.random_range(0..class.len())];
                }
            }
        }
        order
    }
}
