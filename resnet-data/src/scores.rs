//! Metrics of predictions.

use serde::Serialize;

/// The number of bins of the calibration error (Guo et al. 2017).
const BINS: usize = 15;

/// Metrics of predictions on labeled images.
#[derive(Clone, Debug)]
pub struct Scores {
    classes: usize,
    images: u64,
    top1: u64,
    top5: u64,
    loss: f64,
    /// The confusion matrix by true and predicted class, over images added by [`Scores::add`].
    confusion: Vec<u64>,
    /// For each class: its images, the images predicted as it, and the correct predictions of it.
    counts: Vec<[u64; 3]>,
    /// For each confidence bin: the number of images, the sum of the confidences, and the number of
    /// correct predictions.
    bins: [(u64, f64, u64); BINS],
}

/// The metrics of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    /// The number of the class.
    pub class: usize,
    /// The number of images of the class.
    pub images: u64,
    /// The share of the images of this class that were predicted as this class. `None` if there are
    /// no images.
    pub recall: Option<f64>,
    /// The share of the images predicted as this class that belong to it. `None` if there are no
    /// predictions.
    pub precision: Option<f64>,
}

impl Scores {
    /// Creates metrics over no images.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            images: 0,
            top1: 0,
            top5: 0,
            loss: 0.0,
            confusion: vec![0; classes * classes],
            counts: vec![[0; 3]; classes],
            bins: [(0, 0.0, 0); BINS],
        }
    }

    /// Adds one image by its logits, which must be finite. Returns the predicted class and its
    /// softmax probability.
    ///
    /// # Panics
    ///
    /// Panics if the number of logits differs from the number of classes, or if the class does not
    /// exist.
    pub fn add(&mut self, logits: &[f32], class: usize) -> (usize, f64) {
        let predicted = self.best(logits);
        assert!(class < self.classes, "class {class} of {}", self.classes);
        let logit = |class: usize| f64::from(logits[class]);
        let sum: f64 = (0..self.classes)
            .map(|class| (logit(class) - logit(predicted)).exp())
            .sum();
        self.loss += logit(predicted) - logit(class) + sum.ln();
        self.confusion[class * self.classes + predicted] += 1;
        for other in 0..self.classes {
            self.count(other, other == class, other == predicted);
        }
        self.rank(logits, &[class], predicted, 1.0 / sum);
        (predicted, 1.0 / sum)
    }

    /// Adds one image with any number of classes. A class is predicted if its logit is above 0. The
    /// loss is the mean binary cross-entropy over the classes.
    ///
    /// Top-1 accuracy counts the image as correct if it has the most probable class. Returns this
    /// class and its sigmoid probability.
    ///
    /// # Panics
    ///
    /// Panics if the number of logits differs from the number of classes, or if a class does not
    /// exist.
    pub fn add_several(&mut self, logits: &[f32], classes: &[usize]) -> (usize, f64) {
        let predicted = self.best(logits);
        let mut loss = 0.0;
        for (class, &logit) in logits.iter().enumerate() {
            let (logit, is) = (f64::from(logit), classes.contains(&class));
            // Uses -log(sigmoid(x)) = log(1 + exp(-x)), without overflow.
            let x = if is { logit } else { -logit };
            loss += (-x).max(0.0) + (-x.abs()).exp().ln_1p();
            self.count(class, is, logit > 0.0);
        }
        self.loss += loss / self.classes as f64;
        let confidence = 1.0 / (1.0 + f64::from(-logits[predicted]).exp());
        self.rank(logits, classes, predicted, confidence);
        (predicted, confidence)
    }

    fn best(&self, logits: &[f32]) -> usize {
        assert_eq!(logits.len(), self.classes, "one logit a class");
        let larger = |best: usize, class: usize| match logits[class] > logits[best] {
            true => class,
            false => best,
        };
        (0..self.classes).fold(0, larger)
    }

    fn count(&mut self, class: usize, is: bool, taken: bool) {
        let counts = [is, taken, is && taken].map(u64::from);
        for (sum, count) in self.counts[class].iter_mut().zip(counts) {
            *sum += count;
        }
    }

    fn rank(&mut self, logits: &[f32], classes: &[usize], predicted: usize, confidence: f64) {
        // Among equal logits, the first ranks highest, as in `best`.
        let place = |class: usize| {
            let above = |&other: &usize| {
                logits[other] > logits[class] || (logits[other] == logits[class] && other < class)
            };
            (0..self.classes).filter(above).count()
        };
        self.images += 1;
        self.top1 += u64::from(classes.contains(&predicted));
        self.top5 += u64::from(classes.iter().any(|&class| place(class) < 5));
        let bin = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        let (images, confident, right) = &mut self.bins[bin];
        *images += 1;
        *confident += confidence;
        *right += u64::from(classes.contains(&predicted));
    }

    /// Returns the number of images.
    pub fn images(&self) -> u64 {
        self.images
    }

    fn share(&self, count: u64) -> f64 {
        count as f64 / self.images.max(1) as f64
    }

    /// Returns the top-1 accuracy: the share of images whose most probable class is correct.
    pub fn top1(&self) -> f64 {
        self.share(self.top1)
    }

    /// Returns the top-5 accuracy: the share of images with a correct class among the five most
    /// probable classes.
    pub fn top5(&self) -> f64 {
        self.share(self.top5)
    }

    /// Returns the mean loss.
    pub fn loss(&self) -> f64 {
        self.loss / self.images.max(1) as f64
    }

    /// Returns the expected calibration error: the mean difference between confidence and accuracy
    /// over 15 confidence bins (Guo et al. 2017, section 2).
    pub fn calibration_error(&self) -> f64 {
        let differences = self
            .bins
            .iter()
            .map(|&(_, confident, right)| (confident - right as f64).abs());
        differences.sum::<f64>() / self.images.max(1) as f64
    }

    /// Returns how many images of `class` were predicted as `predicted`. Counts only images added
    /// by [`add`](Self::add).
    pub fn confused(&self, class: usize, predicted: usize) -> u64 {
        self.confusion[class * self.classes + predicted]
    }

    /// Returns the recall and precision of each class.
    pub fn per_class(&self) -> Vec<ClassScores> {
        let share = |count: u64, of: u64| (of > 0).then(|| count as f64 / of as f64);
        let class = |(class, &[images, taken, right]): (usize, &[u64; 3])| ClassScores {
            class,
            images,
            recall: share(right, images),
            precision: share(right, taken),
        };
        self.counts.iter().enumerate().map(class).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_four_images_in_two_classes() {
        let mut scores = Scores::new(2);
        let three_to_one = 3.0_f32.ln();
        // Each has confidence 3/4: correct, correct, wrong, correct.
        for (logits, class) in [
            ([three_to_one, 0.0], 0),
            ([three_to_one, 0.0], 0),
            ([three_to_one, 0.0], 1),
            ([0.0, three_to_one], 1),
        ] {
            scores.add(&logits, class);
        }
        assert_eq!(scores.top1(), 0.75);
        assert_eq!(scores.top5(), 1.0);
        assert!(scores.calibration_error() < 1e-6);
        // -ln(3/4) for three images and -ln(1/4) for one, averaged over four.
        let expected = -(3.0 * 0.75_f64.ln() + 0.25_f64.ln()) / 4.0;
        assert!((scores.loss() - expected).abs() < 1e-6);
        let [first, second] = &scores.per_class()[..] else {
            panic!("two classes");
        };
        assert_eq!(
            (first.recall, first.precision),
            (Some(1.0), Some(2.0 / 3.0))
        );
        assert_eq!((second.recall, second.precision), (Some(0.5), Some(1.0)));
    }

    #[test]
    fn the_calibration_error_of_a_confident_mistake_is_one() {
        let mut scores = Scores::new(3);
        scores.add(&[20.0, 0.0, 0.0], 1);
        assert!((scores.calibration_error() - 1.0).abs() < 1e-6);
        assert_eq!(scores.per_class()[2].recall, None);
    }

    #[test]
    fn top5_excludes_the_sixth_class() {
        let mut scores = Scores::new(6);
        let logits = [6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
        scores.add(&logits, 5);
        assert_eq!(scores.top5(), 0.0);
        scores.add(&logits, 4);
        assert_eq!(scores.top5(), 0.5);
        // Among equal logits, the first five are the top 5.
        let mut equal = Scores::new(6);
        equal.add(&[0.0; 6], 5);
        assert_eq!((equal.top1(), equal.top5()), (0.0, 0.0));
    }

    #[test]
    fn multi_label_classes_are_predicted_independently() {
        let mut scores = Scores::new(3);
        let three = 3.0_f32.ln();
        // An image of classes 0 and 1. The network predicts 3/4, 1/2 (not above the threshold) and
        // 1/4.
        let (predicted, confidence) = scores.add_several(&[three, 0.0, -three], &[0, 1]);
        assert_eq!(predicted, 0);
        assert!((confidence - 0.75).abs() < 1e-6);
        let expected = -(0.75_f64.ln() + 0.5_f64.ln() + 0.75_f64.ln()) / 3.0;
        assert!((scores.loss() - expected).abs() < 1e-6);
        let recalls: Vec<_> = scores
            .per_class()
            .iter()
            .map(|class| class.recall)
            .collect();
        assert_eq!(recalls, [Some(1.0), Some(0.0), None]);
        // No prediction is correct for an image without classes.
        scores.add_several(&[1e4, 0.0, 0.0], &[]);
        assert_eq!((scores.top1(), scores.images()), (0.5, 2));
        assert_eq!(scores.per_class()[0].precision, Some(0.5));
        assert!(scores.loss().is_finite());
    }
}
