//! Flags of several commands: images and the numbers of a run.

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use resnet_cli::{DataFlags, ModelFlags};
use resnet_train::{LayerGroup, limits};

/// Whole numbers from 1 to a limit.
pub(super) fn to(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

pub(super) fn side() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(u64::from(limits::LEAST_SIDE)..=u64::from(limits::SIDE))
}

pub(super) fn seed() -> RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(..=limits::SEED)
}

/// Labelled images.
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// Labeled images: a folder with one folder for each class, or with such folders in `train` (or `training`) and in
    /// `val`, `valid`, `validation` or `dev`, else `test`, `testing` or `eval`; a table (`.csv`, `.tsv`) with a column of
    /// paths and one of labels (several as `cat;dog`); a folder with the binary files of CIFAR-10 or CIFAR-100; or
    /// `shapes`, which are drawn. Classes are numbered in the order of their names as texts, which the weights keep.
    #[arg(value_name = "DATA")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) flags: DataFlags,
    /// Take only so many images of each class to train from.
    #[arg(long, value_name = "N", value_parser = to(limits::IMAGES_PER_CLASS))]
    pub(crate) images_per_class: Option<usize>,
}

/// The numbers of a run; each flag replaces one of the recipe.
#[derive(Debug, Args)]
#[command(next_help_heading = "Optimization")]
pub(crate) struct OptimizationFlags {
    /// Recipe by its name, as `resnet-train recipes` lists them, or a config ending in `.toml` [default: `finetune` for
    /// fine-tuning, `shapes` for `shapes`, else plain SGD along a cosine].
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) recipe: Option<String>,
    /// Network, as `resnet-infer models` lists them.
    #[arg(long, value_name = "NAME", conflicts_with = "model")]
    pub(crate) arch: Option<String>,
    /// Published weights to start from: an id or the name of a network, as `resnet-infer weights list` shows them.
    #[arg(long, value_name = "ID")]
    pub(crate) model: Option<String>,
    /// File of weights to start from.
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub(crate) weights: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: ModelFlags,
    /// Passes over the images. With `--resume`, more of them extend a run, also a finished one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=limits::EPOCHS))]
    pub(crate) epochs: Option<u64>,
    /// Passes in which the classifier learns alone, before the others; 0 for none.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=limits::EPOCHS))]
    pub(crate) head_epochs: Option<u64>,
    /// Images of a step. Batch norm needs two values per channel: 1 is enough only where the last maps have two pixels.
    #[arg(long, value_name = "N", value_parser = to(limits::BATCH))]
    pub(crate) batch_size: Option<usize>,
    /// Run each batch in N parts, for less memory (gradient accumulation): loss and gradient are those of the whole batch.
    #[arg(long, value_name = "N", value_parser = to(limits::ACCUMULATE))]
    pub(crate) accumulate: Option<usize>,
    /// Peak of the learning rate.
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub(crate) learning_rate: Option<f64>,
    /// First part that learns; all before it stays as it is: `stem`, `layer1` to `layer4`, `fc`.
    #[arg(long, value_name = "PART")]
    pub(crate) freeze_to: Option<LayerGroup>,
    /// Side of the images.
    #[arg(long, value_name = "N", value_parser = side())]
    pub(crate) size: Option<u32>,
    /// Share of the images to validate with, where they are not kept apart.
    #[arg(long, value_name = "SHARE")]
    pub(crate) split: Option<f64>,
    /// Seed of everything that is drawn.
    #[arg(long, value_name = "N", value_parser = seed())]
    pub(crate) seed: Option<u64>,
    /// Weight the classes in the cross-entropy so that rare ones count as much as others: images / (classes * images of
    /// the class).
    #[arg(long)]
    pub(crate) class_weights: bool,
}
