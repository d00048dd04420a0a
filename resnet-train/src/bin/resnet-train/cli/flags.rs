//! Flags that several commands share: the dataset and the hyperparameters.

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use resnet_cli::{DataFlags, ModelFlags};
use resnet_train::{LayerGroup, Task, limits};

/// Returns a parser of whole numbers from 1 to `most`.
pub(super) fn to(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

pub(super) fn side() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(u64::from(limits::LEAST_SIDE)..=u64::from(limits::SIDE))
}

pub(super) fn seed() -> RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(..=limits::SEED)
}

/// A labeled dataset.
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// Labeled images, as one of: a folder with one subfolder per class; a folder with `train` (or
    /// `training`) and `val` (or `valid`, `validation`, `dev`; without them `test`, `testing`,
    /// `eval`), each with one subfolder per class; a table (`.csv`, `.tsv`) with a path column and
    /// a label column (several labels as `cat;dog`); a folder with the binary files of CIFAR-10 or
    /// CIFAR-100; or `shapes`, a generated dataset. Classes are numbered in lexical order of their
    /// names; the weights store the names.
    #[arg(value_name = "DATA")]
    pub(crate) data: PathBuf,
    #[command(flatten, next_help_heading = "Input")]
    pub(crate) flags: DataFlags,
    /// Limit the training set to the first N images of each class [default: all].
    #[arg(
        long,
        value_name = "N",
        value_parser = to(limits::IMAGES_PER_CLASS),
        help_heading = "Input"
    )]
    pub(crate) images_per_class: Option<usize>,
}

/// The task, and where its images are.
#[derive(Debug, Args)]
pub(crate) struct TaskFlags {
    /// Task: `classify`, `detect` (boxes, and masks if the network predicts them), `keypoints` or
    /// `segment` [default: the task of the recipe or of `--model`, else `classify`]. For `detect` and
    /// `keypoints`, DATA is a COCO file (`.json`), a folder in the layout of COCO, Roboflow's COCO
    /// export or Pascal VOC, or `scenes`, a generated dataset. For `segment`, it may also be a folder
    /// with `images` and `masks`, or with Pascal VOC's `SegmentationClass`.
    #[arg(long, value_name = "TASK", value_parser = task, help_heading = "Input")]
    pub(crate) task: Option<Task>,
    /// Folder of the images of a COCO file [default: `images` or a folder with the name of the file,
    /// beside the file or one folder up; else the folder of the file].
    #[arg(long, value_name = "FOLDER", help_heading = "Input")]
    pub(crate) images: Option<PathBuf>,
}

/// The names of the tasks.
const TASKS: [(&str, Task); 4] = [
    ("classify", Task::Classify),
    ("detect", Task::Detect),
    ("keypoints", Task::Keypoints),
    ("segment", Task::Segment),
];

fn task(text: &str) -> Result<Task, String> {
    let mut tasks = TASKS.iter();
    let found = tasks.find(|(name, _)| *name == text);
    let found = found.map(|(_, task)| *task);
    found.ok_or_else(|| "expected classify, detect, keypoints or segment".into())
}

/// Returns the name of a task.
#[cfg(feature = "dense")]
pub(crate) fn task_name(task: Task) -> &'static str {
    let mut tasks = TASKS.iter();
    let found = tasks.find(|(_, other)| *other == task);
    found.map_or("classify", |(name, _)| name)
}

/// The hyperparameters; each flag overrides a value of the recipe.
#[derive(Debug, Args)]
pub(crate) struct OptimizationFlags {
    /// Recipe name (`resnet-train recipes` lists them), or a config file ending in `.toml`
    /// [default: `finetune`, `detect` or `segment` for the command `finetune`, by task; `shapes` for
    /// the dataset `shapes`; `scenes` or `scenes-segment` for the dataset `scenes`; else SGD for 10
    /// epochs with cosine decay, for classifiers only]. Other flags override values of the recipe.
    #[arg(long, value_name = "NAME|FILE", help_heading = "Optimization")]
    pub(crate) recipe: Option<String>,
    /// Architecture name; `resnet-infer models` lists them [default: from the recipe or the
    /// weights].
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "model",
        help_heading = "Model"
    )]
    pub(crate) arch: Option<String>,
    /// Published weights to start from: a weights id or an architecture name; `resnet-infer weights
    /// list` shows them [default: from the recipe].
    #[arg(long, value_name = "ID", help_heading = "Model")]
    pub(crate) model: Option<String>,
    /// Checkpoint file to start from [default: from the recipe].
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "model",
        help_heading = "Model"
    )]
    pub(crate) weights: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Model")]
    pub(crate) options: ModelFlags,
    /// Epochs to train [default: from the recipe, else 10].
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=limits::EPOCHS),
        help_heading = "Optimization"
    )]
    pub(crate) epochs: Option<u64>,
    /// Extra epochs before `--epochs`, in which only the classifier trains; 0 for none [default:
    /// from the recipe, else 0].
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(..=limits::EPOCHS),
        help_heading = "Optimization"
    )]
    pub(crate) head_epochs: Option<u64>,
    /// Images per step [default: from the recipe, else 32]. Batch norm needs two values per
    /// channel, so 1 works only if the last feature maps have at least two pixels.
    #[arg(
        long,
        value_name = "N",
        value_parser = to(limits::BATCH),
        help_heading = "Optimization"
    )]
    pub(crate) batch_size: Option<usize>,
    /// Gradient accumulation: split each batch into N micro-batches to save memory [default: from
    /// the recipe, else 1]. Loss and gradients equal those of the whole batch, except that batch
    /// norm uses the statistics of each micro-batch.
    #[arg(
        long,
        value_name = "N",
        value_parser = to(limits::ACCUMULATE),
        help_heading = "Optimization"
    )]
    pub(crate) accumulate: Option<usize>,
    /// Peak learning rate [default: from the recipe, else 0.1].
    #[arg(
        long,
        value_name = "RATE",
        allow_negative_numbers = true,
        help_heading = "Optimization"
    )]
    pub(crate) learning_rate: Option<f64>,
    /// Freeze all layers before LAYER: `stem`, `layer1` to `layer4`, or `fc` [default: from the
    /// recipe, else `stem`, which freezes nothing].
    #[arg(long, value_name = "LAYER", help_heading = "Optimization")]
    pub(crate) freeze_to: Option<LayerGroup>,
    /// Image side in pixels; for `--task segment`, the shorter side in evaluation [default: from the
    /// recipe, else from the weights, else 520 for segmentation, 32 for CIFAR networks and 224 for
    /// others]. Detectors use `--set min_size=N` instead.
    #[arg(long, value_name = "N", value_parser = side(), help_heading = "Preprocessing")]
    pub(crate) size: Option<u32>,
    /// Fraction of each class to hold out for validation, if DATA has no validation set [default:
    /// from the recipe, else 0.2].
    #[arg(long, value_name = "FRACTION", help_heading = "Input")]
    pub(crate) split: Option<f64>,
    /// Random seed [default: from the recipe, else 1].
    #[arg(long, value_name = "N", value_parser = seed(), help_heading = "Optimization")]
    pub(crate) seed: Option<u64>,
    /// Weight each class in the cross-entropy by images / (classes * images of the class), so that
    /// rare classes count as much as common ones.
    #[arg(long, help_heading = "Optimization")]
    pub(crate) class_weights: bool,
}
