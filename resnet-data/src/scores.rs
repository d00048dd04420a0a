//! How good predictions are.

use serde::Serialize;

/// Bins of the calibration error (Guo et al. 2017).
const BINS: usize = 15;

/// Counts predictions of labelled images.
#[derive(Clone, Debug)]
pub struct Scores {
    classes: usize,
    images: u64,
    top1: u64,
    top5: u64,
    loss: f64,
    /// Images by their class and the class that was predicted, of those with one class.
    confusion: Vec<u64>,
    /// Of each class: images of it, images taken for it, images rightly so.
    counts: Vec<[u64; 3]>,
    /// Images, sum of confidence and right ones of each bin of confidence.
    bins: [(u64, f64, u64); BINS],
}

/// How good predictions of one class are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    /// The class.
    pub class: usize,
    /// Its images.
    pub images: u64,
    /// The share of its images that were taken for it; none without images.
    pub recall: Option<f64>,
    /// The share of the images taken for it that are of it; none where none was.
    pub precision: Option<f64>,
}

impl Scores {
    /// Nothing counted yet.
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

    /// Counts one image by its logits, which are to be finite. Gives the class that was predicted and its probability: the
    /// softmax.
    ///
    /// # Panics
    ///
    /// If there is another number of logits than of classes, or no such class.
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

    /// Counts one image that may have any number of classes. A class is predicted where its logit is above 0; the loss is
    /// the binary cross-entropy, averaged over the classes; right is the most probable class if the image is of it. Gives
    /// that class and its probability: the sigmoid.
    ///
    /// # Panics
    ///
    /// If there is another number of logits than of classes, or no such class.
    pub fn add_several(&mut self, logits: &[f32], classes: &[usize]) -> (usize, f64) {
        let predicted = self.best(logits);
        let mut loss = 0.0;
        for (class, &logit) in logits.iter().enumerate() {
            let (logit, is) = (f64::from(logit), classes.contains(&class));
            // -log(sigmoid(x)) = log(1 + exp(-x)), without overflow.
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
        // Of equal logits the first counts as the larger, as in `best`.
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

    /// The images counted.
    pub fn images(&self) -> u64 {
        self.images
    }

    fn share(&self, count: u64) -> f64 {
        count as f64 / self.images.max(1) as f64
    }

    /// The share of images whose class, or one of whose classes, was the most probable.
    pub fn top1(&self) -> f64 {
        self.share(self.top1)
    }

    /// The share of images whose class, or one of whose classes, is among the five most probable.
    pub fn top5(&self) -> f64 {
        self.share(self.top5)
    }

    /// The mean loss.
    pub fn loss(&self) -> f64 {
        self.loss / self.images.max(1) as f64
    }

    /// The expected calibration error: by how much confidence and share of right predictions differ, over 15 bins of
    /// confidence (Guo et al. 2017, section 2).
    pub fn calibration_error(&self) -> f64 {
        let differences = self
            .bins
            .iter()
            .map(|&(_, confident, right)| (confident - right as f64).abs());
        differences.sum::<f64>() / self.images.max(1) as f64
    }

    /// How many images of a class were taken for another, of those with one class.
    pub fn confused(&self, class: usize, predicted: usize) -> u64 {
        self.confusion[class * self.classes + predicted]
    }

    /// Recall and precision of each class.
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
    fn four_images_of_two_classes() {
        let mut scores = Scores::new(2);
        let three_to_one = 3.0_f32.ln();
        // Confidence 3/4 each; right, right, wrong, right.
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
        // -ln(3/4) three times and -ln(1/4) once, over four.
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
    fn confidence_without_being_right_is_the_calibration_error() {
        let mut scores = Scores::new(3);
        scores.add(&[20.0, 0.0, 0.0], 1);
        assert!((scores.calibration_error() - 1.0).abs() < 1e-6);
        assert_eq!(scores.per_class()[2].recall, None);
    }

    #[test]
    fn the_sixth_is_not_among_the_first_five() {
        let mut scores = Scores::new(6);
        let logits = [6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
        scores.add(&logits, 5);
        assert_eq!(scores.top5(), 0.0);
        scores.add(&logits, 4);
        assert_eq!(scores.top5(), 0.5);
        // Of equal logits the first five.
        let mut equal = Scores::new(6);
        equal.add(&[0.0; 6], 5);
        assert_eq!((equal.top1(), equal.top5()), (0.0, 0.0));
    }

    #[test]
    fn of_an_image_with_several_classes_each_is_decided_alone() {
        let mut scores = Scores::new(3);
        let three = 3.0_f32.ln();
        // Probabilities 3/4, 1/2 (not above it) and 1/4, of an image with the first two classes.
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
        // An image without classes: nothing can be right.
        scores.add_several(&[1e4, 0.0, 0.0], &[]);
        assert_eq!((scores.top1(), scores.images()), (0.5, 2));
        assert_eq!(scores.per_class()[0].precision, Some(0.5));
        assert!(scores.loss().is_finite());
    }
}
