//! `resnet-train`: train and fine-tune residual networks.

mod cli;
mod commands;
mod run;
mod start;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use resnet_infer::command::{self, Outcome};
use resnet_train::limits;

use crate::cli::{Cli, Command};
use crate::commands::{bench, find_rate, preview, probe, recipes, train};

/// Keeps freed memory for the next step, where the system's would give it back and take it anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    command::status(threads().and_then(|()| run(cli)))
}

/// Starts the threads that compute: the pool that would start by itself panics where they cannot be had.
fn threads() -> Result<()> {
    const VARIABLE: &str = "RAYON_NUM_THREADS";
    let asked = std::env::var(VARIABLE).ok();
    let asked = asked.and_then(|number| number.parse::<u64>().ok());
    if let Some(found) = asked.filter(|&number| number > limits::THREADS) {
        bail!(
            "{VARIABLE}: expected a whole number from 1 to {}, found {found}",
            limits::THREADS
        );
    }
    let pool = rayon::ThreadPoolBuilder::new().build_global();
    pool.with_context(|| {
        format!(
            "expected threads to compute on; set {VARIABLE} to fewer, or raise the limit on threads"
        )
    })
}

fn run(cli: Cli) -> Result<Outcome> {
    match cli.command {
        Command::Train(args) => train::train(args, cli.offline),
        Command::Finetune(args) => train::finetune(args, cli.offline),
        Command::Probe(args) => probe::run(args, cli.offline),
        Command::Evaluate(args) => command::evaluate(args, cli.offline),
        Command::Preview(args) => preview::run(args),
        Command::FindRate(args) => find_rate::run(args, cli.offline),
        Command::Recipes(args) => recipes::run(args),
        Command::Bench(args) => bench::run(args),
    }
}
