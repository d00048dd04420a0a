//! Conversion of logits to named classes.

use serde::Serialize;

use super::Classifier;

/// The prediction for an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The most probable classes in descending order. A network with a single logit has two
    /// outcomes: class 1, whose probability is the sigmoid of the logit, and class 0.
    pub top: Vec<ClassScore>,
}

/// One class and its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    /// Index of the class.
    pub class: usize,
    /// Name of the class.
    pub label: String,
    /// Probability from 0 to 1: the softmax over all classes, or the sigmoid of each. See
    /// [`OutputActivation`](crate::OutputActivation).
    pub probability: f32,
}

impl Classifier {
    /// Converts the finite logits of one image to a prediction.
    pub(super) fn prediction(&self, logits: &[f32]) -> Prediction {
        let probabilities = self.activation.probabilities(logits);
        let score = |class: usize| ClassScore {
            class,
            label: self.labels.get(class).to_string(),
            probability: probabilities[class],
        };
        let mut scores: Vec<ClassScore> = match probabilities[..] {
            [probability] => self.outcomes(probability).into(),
            _ => (0..logits.len()).map(score).collect(),
        };
        scores.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        scores.truncate(self.top_k);
        let threshold = self.threshold.unwrap_or(0.0);
        scores.retain(|score| score.probability >= threshold);
        Prediction { top: scores }
    }

    /// Returns the two outcomes of a network with a single logit, whose sigmoid is `probability`.
    fn outcomes(&self, probability: f32) -> [ClassScore; 2] {
        let [no, yes] = match self.labels.len() {
            2 => [self.labels.get(0).into(), self.labels.get(1).into()],
            _ if self.labels.are_numbers() => ["class 0".to_string(), "class 1".to_string()],
            _ => {
                let name = self.labels.get(0);
                [format!("not {name}"), name.to_string()]
            }
        };
        let score = |class, label, probability| ClassScore {
            class,
            label,
            probability,
        };
        [score(0, no, 1.0 - probability), score(1, yes, probability)]
    }
}
