//! `weights list`: lists the pretrained weights.

use std::io::Write;

use anyhow::{Context, Result, bail};
use glob::Pattern;
use resnet_cli::Outcome;
use resnet_weights::{Accuracy, DenseMetrics, DenseWeights, EmbeddedDense, License, Weights};
use serde_json::Value;

use crate::cli::WeightsList;

pub(crate) fn run(args: WeightsList) -> Result<Outcome> {
    let glob = args.glob.as_deref().unwrap_or("*");
    let pattern = Pattern::new(glob).with_context(|| format!("`{glob}`"))?;
    let dense = dense(glob, &pattern);
    let embedded = EmbeddedDense::all().iter();
    let embedded: Vec<_> = embedded.filter(|row| pattern.matches(row.id)).collect();
    let is_dense = !dense.is_empty() || !embedded.is_empty();
    let found = match !is_dense {
        true => Weights::matching(glob)?,
        // The pattern may be the name of a detector, which no classifier has.
        false => Weights::matching(glob).unwrap_or_default(),
    };
    if found.is_empty() && !is_dense {
        bail!("`{glob}`: expected a pattern that matches an id, found no match");
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut all: Vec<Value> = Vec::new();
        for weights in found {
            all.push(serde_json::to_value(weights)?);
        }
        for weights in dense {
            all.push(serde_json::to_value(weights)?);
        }
        for network in embedded {
            all.push(serde_json::to_value(network)?);
        }
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(Outcome::Done);
    }
    if !found.is_empty() {
        writeln!(
            out,
            "{:43} {:>6} {:>6} {:>5} {:>7} {:>7}  license",
            "id (* is the default of its network)", "top-1", "top-5", "size", "M par.", "GMACs"
        )?;
    }
    for weights in &found {
        row(&mut out, weights)?;
    }
    if !found.is_empty() && is_dense {
        writeln!(out)?;
    }
    if is_dense {
        writeln!(
            out,
            "{:43} {:>6} {:>6} {:>6} {:>6} {:>7} {:>7}  license",
            "detectors and segmentation", "box", "mask", "points", "mIoU", "M par.", "GMACs"
        )?;
    }
    for weights in dense {
        let default = if weights.default { "*" } else { "" };
        let id = format!("{}{default}", weights.id);
        let gmacs = format!("{:.2}", weights.gmacs);
        let license = weights.license;
        dense_row(
            &mut out,
            &id,
            weights.metrics,
            weights.parameters,
            &gmacs,
            license,
        )?;
    }
    for row in embedded {
        dense_row(
            &mut out,
            row.id,
            row.metrics,
            row.parameters,
            "-",
            row.license,
        )?;
    }
    Ok(Outcome::Done)
}

/// Returns the detectors and segmentation networks that match a pattern, as
/// [`Weights::matching`] does for classifiers.
fn dense(glob: &str, pattern: &Pattern) -> Vec<&'static DenseWeights> {
    let fits = |weights: &&DenseWeights| {
        let names = [weights.arch.name(), &weights.torchvision];
        pattern.matches(&weights.id) || names.contains(&glob)
    };
    DenseWeights::all().iter().filter(fits).collect()
}

fn dense_row(
    out: &mut impl Write,
    id: &str,
    metrics: DenseMetrics,
    parameters: u64,
    gmacs: &str,
    license: License,
) -> std::io::Result<()> {
    let percent = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.1}"));
    let [boxes, masks, points, iou] = [
        metrics.box_ap,
        metrics.mask_ap,
        metrics.keypoint_ap,
        metrics.mean_iou,
    ]
    .map(percent);
    let millions = parameters as f64 / 1e6;
    writeln!(
        out,
        "{id:43} {boxes:>6} {masks:>6} {points:>6} {iou:>6} {millions:>7.2} {gmacs:>7}  {license}"
    )
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
