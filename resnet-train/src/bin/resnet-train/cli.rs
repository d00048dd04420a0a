//! The command line and its help texts.

mod flags;
mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use resnet_cli::{DeviceFlags, Evaluate, MemoryFlags, NetworkFlags, NormalizationFlags};
use resnet_train::limits;

#[cfg(feature = "dense")]
pub(crate) use flags::task_name;
pub(crate) use flags::{Data, OptimizationFlags, TaskFlags};
use flags::{seed, side, to};
pub(crate) use run::{Bad, Processes, Run};

/// Train and fine-tune residual networks.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Results go to standard output, messages and progress to standard error.\n\nExit status: 0 success, 1 some inputs failed, 2 an error stopped the command, 130 stopped by Ctrl-C."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Never download: use only files on this machine [env: RESNET_OFFLINE=1].
    #[arg(long, global = true)]
    pub(crate) offline: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a network from scratch, or from weights with one learning rate for all layers.
    Train(Run),
    /// Fine-tune pretrained weights on your images: the head first, then all layers.
    Finetune(Run),
    /// Train a linear classifier on frozen features (linear probe), in seconds.
    Probe(Probe),
    /// Measure the accuracy of a network on labeled images.
    Evaluate(Evaluate),
    /// Save a contact sheet of augmented training images, with their annotations.
    Preview(Preview),
    /// Suggest a learning rate: raise it step by step and find where the loss falls fastest.
    FindRate(FindRate),
    /// List the recipes, or print one as a config to edit.
    Recipes(Recipes),
    /// Benchmark training steps or data loading.
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Debug, Args)]
pub(crate) struct Probe {
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten, next_help_heading = "Model")]
    pub(crate) network: NetworkFlags,
    /// Safetensors file to write: the network with its new classifier.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: PathBuf,
    /// Image side in pixels [default: the side in the preprocessing of the weights].
    #[arg(long, value_name = "N", value_parser = side(), help_heading = "Preprocessing")]
    pub(crate) size: Option<u32>,
    #[command(flatten)]
    pub(crate) normalization: NormalizationFlags,
    /// Fraction of each class to hold out for validation, if DATA has no validation set.
    #[arg(
        long,
        value_name = "FRACTION",
        default_value_t = 0.2,
        help_heading = "Input"
    )]
    pub(crate) split: f64,
    /// Random seed of the train/validation split.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = seed(), help_heading = "Input")]
    pub(crate) seed: u64,
    /// Images per forward pass.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 32,
        value_parser = to(limits::BATCH),
        help_heading = "Runtime"
    )]
    pub(crate) batch_size: usize,
    /// L2 penalty: this factor times the sum of the squared weights is added to the loss.
    #[arg(
        long,
        value_name = "FACTOR",
        default_value_t = 1e-4,
        allow_negative_numbers = true,
        help_heading = "Optimization"
    )]
    pub(crate) l2: f64,
}

#[derive(Debug, Args)]
pub(crate) struct Preview {
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) objects: TaskFlags,
    /// PNG file to write.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: PathBuf,
    /// Images on the sheet.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 32,
        value_parser = to(limits::PICTURES),
        help_heading = "Output"
    )]
    pub(crate) count: usize,
    /// Images per row.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = to(limits::PICTURES),
        help_heading = "Output"
    )]
    pub(crate) columns: usize,
    #[command(flatten)]
    pub(crate) optimization: OptimizationFlags,
}

#[derive(Debug, Args)]
pub(crate) struct FindRate {
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten, next_help_heading = "Runtime")]
    pub(crate) device: DeviceFlags,
    #[command(flatten, next_help_heading = "Runtime")]
    pub(crate) memory: MemoryFlags,
    /// SVG file to write: the loss over the learning rate.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
    /// Training steps of the search.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = to(limits::SEARCH),
        help_heading = "Optimization"
    )]
    pub(crate) steps: usize,
    /// Learning rate of the first step.
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = 1e-6,
        help_heading = "Optimization"
    )]
    pub(crate) from: f64,
    /// Learning rate of the last step.
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = 10.0,
        help_heading = "Optimization"
    )]
    pub(crate) to: f64,
    #[command(flatten)]
    pub(crate) optimization: OptimizationFlags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Benchmark training steps: SGD with momentum on random images. Prints one JSON object. Detectors
    /// train as in fine-tuning, with frozen norms, stem and first stage.
    Step(BenchStep),
    /// Benchmark data loading over one epoch. Prints one JSON object.
    Data(BenchData),
}

#[derive(Debug, Args)]
pub(crate) struct BenchStep {
    /// Architecture name; `resnet-infer models` lists them.
    pub(crate) model: String,
    #[command(flatten, next_help_heading = "Runtime")]
    pub(crate) device: DeviceFlags,
    /// Images per step.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = to(limits::BATCH),
        help_heading = "Input"
    )]
    pub(crate) batch_size: usize,
    /// Image side in pixels.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 224,
        value_parser = to(u64::from(limits::SIDE)),
        help_heading = "Input"
    )]
    pub(crate) size: usize,
    /// Timed steps, after three warm-up steps.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        value_parser = to(limits::SEARCH),
        help_heading = "Runtime"
    )]
    pub(crate) runs: usize,
    /// Use Burn's SGD in a plain training loop instead of this crate's `Trainer`.
    #[arg(long, help_heading = "Optimization")]
    pub(crate) bare: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchData {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Data loading threads [default: one per core].
    #[arg(long, value_name = "N", value_parser = to(limits::WORKERS), help_heading = "Runtime")]
    pub(crate) workers: Option<usize>,
    #[command(flatten)]
    pub(crate) optimization: OptimizationFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Recipes {
    /// Recipe to print [default: list all].
    pub(crate) name: Option<String>,
}
