//! Flags for labeled images, and what is said of them.

use clap::Args;
use resnet_data::{BadImage, DataOptions, Dataset, Layout, Skipped};

use crate::note;

/// How labeled images are read.
#[derive(Clone, Debug, Args)]
pub struct DataFlags {
    /// Column of a table with the paths of the images: its name in the header, or its number from 1 [default: found by
    /// the names of the columns or the files that exist].
    #[arg(long, value_name = "COLUMN")]
    path_column: Option<String>,
    /// Column of a table with the labels: its name in the header, or its number from 1.
    #[arg(long, value_name = "COLUMN")]
    label_column: Option<String>,
    /// `auto`: folders named `train`, `val` or `test` are parts, all others classes, and unclear folders are refused.
    /// `classes`: every folder directly in DATA is a class, whatever its name is and however deep its images lie.
    #[arg(long, value_name = "LAYOUT", default_value_t)]
    layout: Layout,
}

impl DataFlags {
    /// Returns the flags as options.
    pub fn options(&self) -> DataOptions {
        DataOptions {
            layout: self.layout,
            path_column: self.path_column.clone(),
            label_column: self.label_column.clone(),
            ..DataOptions::default()
        }
    }
}

/// Prints what was assumed of the parts of a dataset, and how many files were skipped.
pub fn tell(parts: &[&Dataset]) {
    let mut skipped = Skipped::default();
    for part in parts {
        part.notes().iter().for_each(|text| note(text));
        skipped.merge(part.skipped());
    }
    tell_skipped(&skipped);
}

/// Prints how many files were skipped, if any.
pub fn tell_skipped(skipped: &Skipped) {
    if !skipped.is_empty() {
        note(&skipped.to_string());
    }
}

/// Prints that an image was left out, and why.
pub fn tell_left_out(image: &BadImage) {
    note(&format!("`{}`: left out: {}", image.name, image.reason));
}
