//! `resnet-train`: train and fine-tune residual networks.

mod cli;
mod commands;
mod run;
mod start;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use resnet_cli::Outcome;

use crate::cli::{Cli, Command};
use crate::commands::{bench, find_rate, preview, probe, recipes, train};

/// mimalloc keeps freed memory for the next step; the system allocator returns it and requests it
/// again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    resnet_cli::execute(|| run(cli))
}

fn run(cli: Cli) -> Result<Outcome> {
    match cli.command {
        Command::Train(args) => train::train(args, cli.offline),
        Command::Finetune(args) => train::finetune(args, cli.offline),
        Command::Probe(args) => probe::run(args, cli.offline),
        Command::Evaluate(args) => resnet_cli::evaluate(args, cli.offline),
        Command::Preview(args) => preview::run(args),
        Command::FindRate(args) => find_rate::run(args, cli.offline),
        Command::Recipes(args) => recipes::run(args),
        Command::Bench(args) => bench::run(args),
    }
}
