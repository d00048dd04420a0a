//! `weights list`: lists the pretrained weights.

use std::io::Write;

use anyhow::{Result, bail};
use resnet_cli::Outcome;
use resnet_weights::{Accuracy, Weights};

use crate::cli::WeightsList;

pub(crate) fn run(args: WeightsList) -> Result<Outcome> {
    let glob = args.glob.as_deref().unwrap_or("*");
    let found = Weights::matching(glob)?;
    if found.is_empty() {
        bail!("`{glob}`: expected a pattern that matches an id, found no match");
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
        return Ok(Outcome::Done);
    }
    writeln!(
        out,
        "{:43} {:>6} {:>6} {:>5} {:>7} {:>7}  license",
        "id (* is the default of its network)", "top-1", "top-5", "size", "M par.", "GMACs"
    )?;
    for weights in found {
        row(&mut out, weights)?;
    }
    Ok(Outcome::Done)
}

fn row(out: &mut impl Write, weights: &Weights) -> std::io::Result<()> {
    let default = if weights.default { "*" } else { "" };
    let id = format!("{}{default}", weights.id);
    let percent = |of: fn(Accuracy) -> f64| match weights.accuracy {
        Some(accuracy) => format!("{:.2}", of(accuracy)),
        None => "-".into(),
    };
    let (top1, top5) = (percent(|a| a.top1), percent(|a| a.top5));
    let size = weights.preprocessing.crop.unwrap_or_default();
    let millions = weights.parameters as f64 / 1e6;
    let (gmacs, license) = (weights.gmacs, weights.license);
    writeln!(
        out,
        "{id:43} {top1:>6} {top5:>6} {size:>5} {millions:>7.2} {gmacs:>7.2}  {license}"
    )
}
