//! The command line: what can be typed, and its help.

mod flags;
mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use resnet_cli::{DeviceFlags, Evaluate, MemoryFlags, NetworkFlags, NormalizationFlags};
use resnet_train::limits;

pub(crate) use flags::{Data, OptimizationFlags};
use flags::{seed, side, to};
pub(crate) use run::{Bad, Processes, Run};

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
