//! `resnet-infer`: classify images, compare with PyTorch, look into checkpoints.

mod cli;
mod commands;
mod download;
mod images;
mod network;
mod output;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::commands::{backends, bench, classify, forward, inspect, models, preprocess, weights};

/// How a command ended without an error that stopped it.
enum Outcome {
    /// All was done.
    Done,
    /// Some inputs failed; each was reported where it stood.
    SomeFailed,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Classify(args) => classify::run(args, cli.offline),
        Command::Forward(args) => forward::run(args, cli.offline),
        Command::Preprocess(args) => preprocess::run(args),
        Command::Models(args) => models::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Backends(args) => backends::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Weights(command) => weights::run(command, cli.offline),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeFailed) => ExitCode::from(1),
        // The reader of our output has seen enough (`| head`).
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
