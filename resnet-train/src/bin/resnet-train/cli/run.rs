//! The flags of `train` and `finetune`.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use resnet_cli::{DeviceFlags, MemoryFlags};
use resnet_train::limits;

use super::flags::to;
use super::{Data, OptimizationFlags, TaskFlags};

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten, next_help_heading = "Runtime")]
    pub(crate) device: DeviceFlags,
    #[command(flatten, next_help_heading = "Runtime")]
    pub(crate) memory: MemoryFlags,
    #[command(flatten)]
    pub(crate) objects: TaskFlags,
    /// Folder for the checkpoints, metrics, figures and config of the run.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "run",
        help_heading = "Output"
    )]
    pub(crate) output: PathBuf,
    /// Resume the run in the `--output` folder from its last training state. A larger `--epochs`
    /// extends the run, even a finished one.
    #[arg(long, help_heading = "Output")]
    pub(crate) resume: bool,
    /// Also save the training state every N steps [default: only after each epoch].
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=limits::STEPS),
        help_heading = "Output"
    )]
    pub(crate) save_every: Option<u64>,
    /// How to handle unreadable images and invalid annotations.
    #[arg(
        long,
        value_name = "ACTION",
        default_value = "skip",
        help_heading = "Input"
    )]
    pub(crate) bad: Bad,
    /// Data loading threads [default: one per core].
    #[arg(long, value_name = "N", value_parser = to(limits::WORKERS), help_heading = "Runtime")]
    pub(crate) workers: Option<usize>,
    /// Print only notes and errors: neither progress nor the final result.
    #[arg(long, help_heading = "Output")]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) optimization: OptimizationFlags,
    #[command(flatten)]
    pub(crate) processes: Processes,
}

/// Data-parallel training with several processes. The connections are not encrypted.
#[derive(Debug, Args)]
#[command(next_help_heading = "Distributed")]
pub(crate) struct Processes {
    /// World size: the number of processes. Start each with the same flags; only `--rank`,
    /// `--backend`, `--output` and the host in `--meet` may differ.
    #[arg(long, value_name = "N", requires = "rank", requires = "meet", value_parser = RangedU64ValueParser::<usize>::new().range(2..=limits::RANKS))]
    pub(crate) ranks: Option<usize>,
    /// Rank of this process, from 0; rank 0 writes all files.
    #[arg(long, value_name = "N", requires = "ranks", value_parser = RangedU64ValueParser::<usize>::new().range(..limits::RANKS))]
    pub(crate) rank: Option<usize>,
    /// Rendezvous address, on which rank 0 listens. Gradients are neither encrypted nor
    /// authenticated: use a network that you trust. If other machines can reach the address, set
    /// RESNET_MEET_SECRET to the same secret of at least 16 bytes in every process.
    #[arg(long, value_name = "HOST:PORT", requires = "ranks")]
    pub(crate) meet: Option<String>,
    /// Rendezvous timeout in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=limits::PATIENCE))]
    pub(crate) patience: u64,
}

/// How to handle an unreadable image or an invalid annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bad {
    /// Print the path of the image or the id of the annotation, and continue without it.
    Skip,
    /// End the run with an error.
    Fail,
}
