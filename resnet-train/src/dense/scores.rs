//! The metrics of an epoch.

use std::collections::BTreeMap;

use resnet_data::PixelScores;
use resnet_data::coco::CocoMetrics;

/// The metrics of a detector or segmentation network on the validation set.
#[derive(Clone, Debug)]
pub enum DenseScores {
    /// COCO's metrics: of boxes, then of masks and keypoints if the network predicts them.
    Objects(Vec<CocoMetrics>),
    /// Counts of pixels.
    Pixels(PixelScores),
}

impl DenseScores {
    /// Returns the number that selects the best epoch, from 0 to 1: the average precision (AP) of
    /// the last task, such as masks, or the mean IoU. Without ground truth it is 0.
    pub fn main(&self) -> f64 {
        let value = match self {
            Self::Objects(tasks) => tasks.last().and_then(|task| task.numbers.first()),
            Self::Pixels(pixels) => return pixels.mean_iou().unwrap_or(0.0),
        };
        value.map_or(0.0, |metric| metric.value.max(0.0))
    }

    /// Returns all metrics by name: `box AP50`, `mean IoU`.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        match self {
            Self::Objects(tasks) => tasks
                .iter()
                .flat_map(|task| {
                    let numbers = task.numbers.iter();
                    numbers.map(|metric| {
                        (
                            format!("{} {}", task.task.name(), metric.name),
                            metric.value,
                        )
                    })
                })
                .collect(),
            Self::Pixels(pixels) => [
                ("mean IoU", pixels.mean_iou()),
                ("pixel accuracy", pixels.pixel_accuracy()),
            ]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_string(), value?)))
            .collect(),
        }
    }

    /// Returns one line for people: `box AP 0.512, AP50 0.853`.
    pub fn line(&self) -> String {
        match self {
            Self::Objects(tasks) => {
                let tasks = tasks.iter().map(|task| {
                    let number = |name: &str| {
                        let mut numbers = task.numbers.iter();
                        let found = numbers.find(|metric| metric.name == name);
                        found.map_or(0.0, |metric| metric.value)
                    };
                    let (ap, ap50) = (number("AP"), number("AP50"));
                    format!("{} AP {ap:.3}, AP50 {ap50:.3}", task.task.name())
                });
                tasks.collect::<Vec<_>>().join(", ")
            }
            Self::Pixels(pixels) => format!(
                "mean IoU {:.3}, pixel accuracy {:.3}",
                pixels.mean_iou().unwrap_or(0.0),
                pixels.pixel_accuracy().unwrap_or(0.0)
            ),
        }
    }
}
