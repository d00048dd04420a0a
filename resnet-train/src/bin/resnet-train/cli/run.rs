//! The flags of `train` and `finetune`.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use resnet_cli::{DeviceFlags, MemoryFlags};
use resnet_train::limits;

use super::flags::to;
use super::{Data, OptimizationFlags};

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
    /// Resume the run in that folder from its last training state.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Save the training state every so many steps too, not only after each epoch.
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
