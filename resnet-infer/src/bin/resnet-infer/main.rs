//! The command `resnet-infer`: classifies images, and inspects, converts and benchmarks networks.

mod cli;
mod commands;
mod images;
mod output;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use resnet_cli::Outcome;

use crate::cli::{Cli, Command};
use crate::commands::{
    backends, bench, classify, detect, evaluate, forward, inspect, models, preprocess, quantize,
    segment, weights,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    resnet_cli::execute(|| run(cli))
}

fn run(cli: Cli) -> Result<Outcome> {
    match cli.command {
        Command::Classify(args) => classify::run(args, cli.offline),
        Command::Detect(args) => detect::run(args, cli.offline),
        Command::Segment(args) => segment::run(args, cli.offline),
        Command::Evaluate(args) => evaluate::run(args, cli.offline),
        Command::Forward(args) => forward::run(args, cli.offline),
        Command::Preprocess(args) => preprocess::run(args),
        Command::Models(args) => models::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Backends(args) => backends::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Quantize(args) => quantize::run(args, cli.offline),
        Command::Weights(command) => weights::run(command, cli.offline),
    }
}
