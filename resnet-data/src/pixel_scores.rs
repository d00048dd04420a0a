//! Metrics of segmentation.

use serde::Serialize;

/// Counts pixels by true and predicted class.
///
/// ```
/// use resnet_data::PixelScores;
///
/// let mut scores = PixelScores::new(2);
/// scores.add(&[Some(0), Some(0), Some(1), None], &[0, 1, 1, 1]);
/// assert_eq!(scores.pixel_accuracy(), Some(2.0 / 3.0));
/// assert_eq!(scores.mean_iou(), Some(0.5));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PixelScores {
    classes: usize,
    /// `counts[truth * classes + predicted]`
    counts: Vec<u64>,
}

/// The metrics of one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassPixels {
    /// Intersection over union, or `None` if neither truth nor prediction has the class.
    pub iou: Option<f64>,
    /// Share of the class's pixels that are predicted correctly, or `None` if the truth lacks it.
    pub accuracy: Option<f64>,
}

impl PixelScores {
    /// Creates scores without pixels.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            counts: vec![0; classes * classes],
        }
    }

    /// Adds pixels. Pixels without a true class are not counted.
    ///
    /// # Panics
    ///
    /// Panics if the lengths differ, or a class does not exist.
    pub fn add(&mut self, truth: &[Option<usize>], predicted: &[usize]) {
        assert_eq!(truth.len(), predicted.len(), "expected one class per pixel");
        for (truth, predicted) in truth.iter().zip(predicted) {
            if let Some(truth) = truth {
                let exist = *truth < self.classes && *predicted < self.classes;
                assert!(exist, "expected classes below {}", self.classes);
                self.counts[truth * self.classes + predicted] += 1;
            }
        }
    }

    /// Returns the metrics of each class.
    pub fn classes(&self) -> Vec<ClassPixels> {
        let k = self.classes;
        let row = |class: usize| self.counts[class * k..][..k].iter().sum::<u64>();
        let column = |class: usize| self.counts.iter().skip(class).step_by(k).sum::<u64>();
        let of_class = |class: usize| {
            let right = self.right(class);
            ClassPixels {
                iou: share(right, row(class) + column(class) - right),
                accuracy: share(right, row(class)),
            }
        };
        (0..k).map(of_class).collect()
    }

    /// Returns the mean IoU over the classes that occur, or `None` without pixels.
    pub fn mean_iou(&self) -> Option<f64> {
        let ious: Vec<f64> = self
            .classes()
            .iter()
            .filter_map(|class| class.iou)
            .collect();
        let mean = ious.iter().sum::<f64>() / ious.len() as f64;
        (!ious.is_empty()).then_some(mean)
    }

    /// Returns the share of correctly predicted pixels, or `None` without pixels.
    pub fn pixel_accuracy(&self) -> Option<f64> {
        let right = (0..self.classes).map(|class| self.right(class)).sum();
        share(right, self.counts.iter().sum())
    }

    fn right(&self, class: usize) -> u64 {
        self.counts[class * self.classes + class]
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
