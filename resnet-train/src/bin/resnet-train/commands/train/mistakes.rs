//! The most confident wrong predictions.

use std::path::Path;

use image::RgbImage;
use resnet_data::{Dataset, Scores};
use resnet_train::report::{Cell, sheet};

/// The number of mistakes on the sheet.
const SHOWN: usize = 32;

/// Wrong predictions, the most confident first.
#[derive(Default)]
pub(super) struct Mistakes(Vec<Mistake>);

struct Mistake {
    number: usize,
    predicted: usize,
    confidence: f64,
}

impl Mistakes {
    pub(super) fn add(&mut self, data: &Dataset, number: usize, logits: &[f32]) {
        let labels = data.samples()[number].labels();
        let mut one = Scores::new(logits.len());
        let (predicted, confidence) = match labels {
            [class] if !data.is_multi_label() => one.add(logits, *class),
            classes => one.add_several(logits, classes),
        };
        if labels.contains(&predicted) {
            return;
        }
        let place = self
            .0
            .partition_point(|other| other.confidence >= confidence);
        self.0.insert(
            place,
            Mistake {
                number,
                predicted,
                confidence,
            },
        );
        self.0.truncate(SHOWN);
    }

    pub(super) fn sheet(&self, data: &Dataset) -> RgbImage {
        let cell = |mistake: &Mistake| -> Option<Cell> {
            let sample = &data.samples()[mistake.number];
            let name = |class: usize| data.classes()[class].as_str();
            let truth: Vec<&str> = sample.labels().iter().map(|&class| name(class)).collect();
            let file = Path::new(&*sample.name())
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            Some(Cell {
                image: sample.rgb().ok()?,
                lines: vec![
                    format!(
                        "{:.0} % {}",
                        100.0 * mistake.confidence,
                        name(mistake.predicted)
                    ),
                    format!("is {}", truth.join(", ")),
                    file.unwrap_or_default(),
                ],
            })
        };
        let cells: Vec<Cell> = self.0.iter().filter_map(cell).collect();
        sheet(&cells, 8)
    }
}
