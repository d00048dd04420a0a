//! Flags for labeled images, and notes about datasets.

use clap::Args;
use resnet_data::{BadImage, DataOptions, Dataset, Layout, Skipped};

use crate::note;

/// The layout of a labeled dataset and the columns of a table.
#[derive(Clone, Debug, Args)]
pub struct DataFlags {
    /// Column of a table that holds the image paths: its header name, or its number from 1
    /// [default: found by header names or by existing files].
    #[arg(long, value_name = "COLUMN", help_heading = "Input")]
    path_column: Option<String>,
    /// Column of a table that holds the labels: its header name, or its number from 1 [default:
    /// found by header names or by content].
    #[arg(long, value_name = "COLUMN", help_heading = "Input")]
    label_column: Option<String>,
    /// Meaning of the folders in DATA. `auto`: `train`, `val` and `test` are splits, all others are
    /// classes; ambiguous folders are an error. `classes`: every folder directly in DATA is a
    /// class, whatever its name and however deep its images lie.
    #[arg(long, value_name = "LAYOUT", default_value_t, help_heading = "Input")]
    layout: Layout,
}

impl DataFlags {
    /// Returns the flags as dataset options.
    pub fn options(&self) -> DataOptions {
        DataOptions {
            layout: self.layout,
            path_column: self.path_column.clone(),
            label_column: self.label_column.clone(),
            ..DataOptions::default()
        }
    }
}

/// Prints the assumptions about the splits of a dataset, and the number of skipped files.
pub fn tell(parts: &[&Dataset]) {
    let mut skipped = Skipped::default();
    for part in parts {
        part.notes().iter().for_each(|text| note(text));
        skipped.merge(part.skipped());
    }
    tell_skipped(&skipped);
}

/// Prints the number of skipped files, if there are any.
pub fn tell_skipped(skipped: &Skipped) {
    if !skipped.is_empty() {
        note(&skipped.to_string());
    }
}

/// Prints that an image is left out, and the reason.
pub fn tell_left_out(image: &BadImage) {
    note(&format!("`{}`: left out: {}", image.name, image.reason));
}
