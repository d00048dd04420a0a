//! The command line: what can be typed, and its help.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use resnet_cli::{
    DataFlags, DeviceFlags, Evaluate, MemoryFlags, ModelFlags, NetworkFlags, NormalizationFlags,
};
use resnet_train::{LayerGroup, limits};

/// Train and fine-tune residual networks.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 all done, 1 some inputs failed, 2 could not run, 130 stopped by Ctrl-C."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Never use the network: only files that are on this machine [env: RESNET_OFFLINE=1].
    #[arg(long, global = true)]
    pub(crate) offline: bool,
}

/// Whole numbers from 1 to a limit.
fn to(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

fn side() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(u64::from(limits::LEAST_SIDE)..=u64::from(limits::SIDE))
}

fn seed() -> RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(..=limits::SEED)
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a network from nothing, or from weights with every parameter alike.
    Train(Run),
    /// Make pretrained weights a classifier of your own pictures: the new classifier first, then everything.
    Finetune(Run),
    /// Put a classifier on embeddings that are computed once: a fine-tuning in seconds.
    Probe(Probe),
    /// Count how often a network is right on labelled images.
    Evaluate(Evaluate),
    /// Save a sheet of what the network will see in training.
    Preview(Preview),
    /// Find a learning rate: let it grow from step to step, and see where the loss falls the fastest.
    FindRate(FindRate),
    /// List the recipes, or print one as a config to change.
    Recipes(Recipes),
    /// Time steps of training, or the loading of images.
    #[command(subcommand)]
    Bench(Bench),
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

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) device: DeviceFlags,
    #[command(flatten)]
    pub(crate) memory: MemoryFlags,
    /// Folder for all that the run leaves behind.
    #[arg(long, value_name = "FOLDER", default_value = "run")]
    pub(crate) output: PathBuf,
    /// Go on with the run in that folder where its last checkpoint is.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Write a checkpoint every so many steps too, not only after each epoch.
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..=limits::STEPS))]
    pub(crate) save_every: Option<u64>,
    /// What to do with an image that cannot be read.
    #[arg(long, value_name = "WHAT", default_value = "skip")]
    pub(crate) bad: Bad,
    /// Threads that prepare images [default: one a core].
    #[arg(long, value_name = "N", value_parser = to(limits::WORKERS))]
    pub(crate) workers: Option<usize>,
    /// Say nothing but what goes wrong.
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) optimization: OptimizationFlags,
    #[command(flatten)]
    pub(crate) processes: Processes,
}

/// Several processes that train one network, each on its share of every batch, without encryption, and without
/// authentication but a shared secret when they meet.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Several processes or machines (no encryption, no authentication but a shared secret)"
)]
pub(crate) struct Processes {
    /// How many processes train together; each is started with the same flags but for `--rank` and `--backend`.
    #[arg(long, value_name = "N", requires = "rank", requires = "meet", value_parser = RangedU64ValueParser::<usize>::new().range(2..=limits::RANKS))]
    pub(crate) ranks: Option<usize>,
    /// The place of this process, from 0; 0 writes all files.
    #[arg(long, value_name = "N", requires = "ranks", value_parser = RangedU64ValueParser::<usize>::new().range(..limits::RANKS))]
    pub(crate) rank: Option<usize>,
    /// Address at which rank 0 waits for the others. What they send is neither encrypted nor authenticated: for networks
    /// that you trust. Addresses that other machines can reach need the same secret of 16 bytes or more in
    /// RESNET_MEET_SECRET on all of them.
    #[arg(long, value_name = "HOST:PORT", requires = "ranks")]
    pub(crate) meet: Option<String>,
    /// Seconds to wait for the others at the start.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=limits::PATIENCE))]
    pub(crate) patience: u64,
}

/// What to do with an image that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bad {
    /// Tell its path and go on without it.
    Skip,
    /// End the run.
    Fail,
}

#[derive(Debug, Args)]
pub(crate) struct Probe {
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) network: NetworkFlags,
    /// File to write: the network with its new classifier, as safetensors.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Side of the images [default: that of the weights].
    #[arg(long, value_name = "N", value_parser = side())]
    pub(crate) size: Option<u32>,
    #[command(flatten)]
    pub(crate) normalization: NormalizationFlags,
    /// Share of the images to validate with, where they are not kept apart.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    pub(crate) split: f64,
    /// Seed of the split.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = seed())]
    pub(crate) seed: u64,
    /// Images to run at once.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = to(limits::BATCH))]
    pub(crate) batch_size: usize,
    /// How much the squares of the weights count in the loss.
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = 1e-4,
        allow_negative_numbers = true
    )]
    pub(crate) l2: f64,
}

#[derive(Debug, Args)]
pub(crate) struct Preview {
    #[command(flatten)]
    pub(crate) data: Data,
    /// PNG file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Pictures on the sheet.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = to(limits::PICTURES))]
    pub(crate) count: usize,
    /// Pictures in a row.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = to(limits::PICTURES))]
    pub(crate) columns: usize,
    #[command(flatten)]
    pub(crate) optimization: OptimizationFlags,
}

#[derive(Debug, Args)]
pub(crate) struct FindRate {
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) device: DeviceFlags,
    #[command(flatten)]
    pub(crate) memory: MemoryFlags,
    /// SVG file with the loss over the rate.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Steps to take.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = to(limits::SEARCH))]
    pub(crate) steps: usize,
    /// First rate.
    #[arg(long, value_name = "RATE", default_value_t = 1e-6)]
    pub(crate) from: f64,
    /// Last rate.
    #[arg(long, value_name = "RATE", default_value_t = 10.0)]
    pub(crate) to: f64,
    #[command(flatten)]
    pub(crate) optimization: OptimizationFlags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Time steps of training: SGD with momentum, random images.
    Step(BenchStep),
    /// Time the loading of images.
    Data(BenchData),
}

#[derive(Debug, Args)]
pub(crate) struct BenchStep {
    /// Network, as `resnet-infer models` lists them.
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) device: DeviceFlags,
    /// Images of a step.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = to(limits::BATCH))]
    pub(crate) batch_size: usize,
    /// Sides of the images.
    #[arg(long, value_name = "N", default_value_t = 224, value_parser = to(u64::from(limits::SIDE)))]
    pub(crate) size: usize,
    /// Steps that count.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = to(limits::SEARCH))]
    pub(crate) runs: usize,
    /// Forward, backward and Burn's own optimiser, without our trainer.
    #[arg(long)]
    pub(crate) bare: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchData {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Threads that prepare images [default: one a core].
    #[arg(long, value_name = "N", value_parser = to(limits::WORKERS))]
    pub(crate) workers: Option<usize>,
    #[command(flatten)]
    pub(crate) optimization: OptimizationFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Recipes {
    /// Recipe to print.
    pub(crate) name: Option<String>,
}
