//! `weights`: pretrained weights, their cache, and conversion to other formats.

mod cache;
mod convert;
mod list;

use anyhow::Result;
use resnet_cli::Outcome;

use crate::cli::Weights;

pub(crate) fn run(command: Weights, offline: bool) -> Result<Outcome> {
    match command {
        Weights::List(args) => list::run(args),
        Weights::Download(args) => cache::download(args, offline),
        Weights::Verify(args) => cache::verify(args),
        Weights::Path(args) => cache::path(args),
        Weights::Convert(args) => convert::run(args),
        Weights::Clean(args) => cache::clean(args),
    }
}
