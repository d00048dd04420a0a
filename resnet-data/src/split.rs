//! Splits a dataset for training and validation.

use rand::seq::SliceRandom;

use crate::dataset::{DataError, Findings};
use crate::random::{For, random};
use crate::{Dataset, SplitOptions};

impl Dataset {
    /// Splits the dataset in two. The second part has a share of the images of each class, rounded,
    /// but at least one.
    ///
    /// An image with several labels counts for the first one. An image without labels stays in the
    /// first part if it is the only one.
    ///
    /// # Errors
    ///
    /// Returns an error if a class has fewer than two images, as one part would lack the class.
    /// Also returns an error if the share is not between 0 and 1.
    ///
    /// ```
    /// use resnet_data::{Dataset, SplitOptions};
    ///
    /// let options = SplitOptions { share: 0.5, ..SplitOptions::default() };
    /// let [train, valid] = Dataset::shapes(12).split(options)?;
    /// assert_eq!((train.len(), valid.len()), (6, 6));
    /// # Ok::<(), resnet_data::DataError>(())
    /// ```
    pub fn split(
        &self,
        SplitOptions { share, seed }: SplitOptions,
    ) -> Result<[Self; 2], DataError> {
        if !(share > 0.0 && share < 1.0) {
            return Err(DataError::Share { found: share });
        }
        let mut by_class = vec![Vec::new(); self.classes().len() + 1];
        for (number, sample) in self.samples().iter().enumerate() {
            let first = sample.labels().first().copied();
            by_class[first.unwrap_or(self.classes().len())].push(number);
        }
        let mut is_second = vec![false; self.len()];
        for (class, mut numbers) in by_class.into_iter().enumerate() {
            let count = numbers.len();
            let name = self.classes().get(class);
            if count == 0 || (count == 1 && name.is_none()) {
                continue;
            }
            if let (1, Some(name)) = (count, name) {
                return Err(DataError::TooFew {
                    expected: format!("2 images or more of `{name}` to split it"),
                    found: "1".into(),
                });
            }
            numbers.shuffle(&mut random(seed, For::Split, [class as u64, 0]));
            let second = ((count as f64 * share).round() as usize).clamp(1, count - 1);
            for &number in &numbers[..second] {
                is_second[number] = true;
            }
        }
        let part = |second: bool| {
            let samples = self.samples().iter().zip(&is_second);
            let samples = samples.filter(|&(_, &is_second)| is_second == second);
            self.with_samples(samples.map(|(sample, _)| sample.clone()).collect())
        };
        let mut second = part(true);
        second.findings = Findings::default();
        Ok([part(false), second])
    }

    /// Returns a smaller dataset with the first `count` images of each class, in order.
    pub fn take_per_class(&self, count: usize) -> Self {
        let mut taken = vec![0; self.classes().len()];
        let mut wanted = |labels: &[usize]| match labels.first() {
            Some(&label) => {
                taken[label] += 1;
                taken[label] <= count
            }
            None => true,
        };
        let samples = self
            .samples()
            .iter()
            .filter(|sample| wanted(sample.labels()));
        self.with_samples(samples.cloned().collect())
    }
}
