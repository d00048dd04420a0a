//! `models`: lists the architectures and their cost.

use std::io::Write;

use anyhow::{Context, Result, bail};
use resnet_cli::Outcome;
use resnet_core::{Arch, ResNetConfig, StemKind};
use resnet_dense::{DenseArch, DenseConfig};
use resnet_weights::DenseWeights;
use serde::Serialize;
use serde_json::Value;

use crate::cli::Models;

/// A row of the table; `--json` prints an array of rows.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    /// Trainable parameters.
    parameters: u64,
    /// Billions of multiply-accumulates for one image of 224x224 pixels, or 32x32 for CIFAR
    /// networks.
    gmacs: f64,
    stem: String,
    block: String,
    shortcut: String,
}

impl Row {
    fn new(arch: Arch) -> Self {
        let config = arch.config();
        let side = if let StemKind::Conv3x3 { .. } = config.stem {
            32
        } else {
            224
        };
        let cost = config.cost([side, side]);
        Self {
            name: arch.name(),
            parameters: cost.parameters,
            gmacs: cost.macs as f64 / 1e9,
            stem: stem(config.stem),
            block: block(&config),
            shortcut: snake_case(&config.shortcut),
        }
    }
}

/// A row of the table of detectors and segmentation networks.
#[derive(Serialize)]
struct DenseRow {
    name: &'static str,
    /// Trainable parameters.
    parameters: u64,
    task: &'static str,
    finds: &'static str,
}

impl DenseRow {
    fn new(arch: DenseArch) -> Self {
        let config = arch.config();
        let (task, finds) = match &config {
            DenseConfig::Segmentation(_) => ("segmentation", "the class of each pixel"),
            DenseConfig::Detection(config) if config.has_masks() => {
                ("detection", "boxes and masks")
            }
            DenseConfig::Detection(config) if config.keypoints().is_some() => {
                ("detection", "boxes and keypoints")
            }
            DenseConfig::Detection(_) => ("detection", "boxes"),
        };
        let weights = DenseWeights::all()
            .iter()
            .find(|weights| weights.arch == arch);
        Self {
            name: arch.name(),
            parameters: weights.map_or(0, |weights| weights.parameters),
            task,
            finds,
        }
    }
}

fn stem(stem: StemKind) -> String {
    match stem {
        StemKind::Conv7x7 { channels } => format!("7x7 {channels}"),
        StemKind::Conv3x3 { channels } => format!("3x3 {channels}"),
        StemKind::Deep { width } => format!("deep {width}"),
        StemKind::Tiered { width } => format!("tiered {width}"),
    }
}

fn block(config: &ResNetConfig) -> String {
    let mut kinds: Vec<String> = config
        .stages
        .iter()
        .map(|stage| snake_case(&stage.block))
        .collect();
    kinds.sort();
    kinds.dedup();
    let groups = match (config.cardinality, config.base_width) {
        (1, 64) => String::new(),
        (cardinality, base_width) => format!(" {cardinality}x{base_width}d"),
    };
    kinds.join("+") + &groups
}

/// Returns the name of an option value in JSON.
fn snake_case(option: &impl Serialize) -> String {
    let value = serde_json::to_value(option).unwrap_or_default();
    value.as_str().unwrap_or_default().to_string()
}

pub(crate) fn run(args: Models) -> Result<Outcome> {
    let glob = args.glob.as_deref().unwrap_or("*");
    let pattern = glob::Pattern::new(glob).with_context(|| format!("`{glob}`"))?;
    let archs = Arch::ALL.iter().filter(|arch| pattern.matches(arch.name()));
    let rows: Vec<Row> = archs.map(|arch| Row::new(*arch)).collect();
    let dense = DenseArch::ALL
        .iter()
        .filter(|arch| pattern.matches(arch.name()));
    let dense: Vec<DenseRow> = dense.map(|arch| DenseRow::new(*arch)).collect();
    if rows.is_empty() && dense.is_empty() {
        match glob.parse::<Arch>() {
            Err(error) if !glob.contains(['*', '?', '[']) => bail!("{error}"),
            _ => bail!("`{glob}`: expected a pattern that matches an architecture, found no match"),
        }
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut all: Vec<Value> = Vec::new();
        for row in rows {
            all.push(serde_json::to_value(row)?);
        }
        for row in dense {
            all.push(serde_json::to_value(row)?);
        }
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(Outcome::Done);
    }
    if !rows.is_empty() {
        writeln!(
            out,
            "{:24} {:>12} {:>8}  {:10} {:22} shortcut",
            "name", "parameters", "GMACs", "stem", "block"
        )?;
    }
    let between = !rows.is_empty() && !dense.is_empty();
    for row in rows {
        let Row {
            name,
            parameters,
            gmacs,
            stem,
            block,
            shortcut,
        } = row;
        writeln!(
            out,
            "{name:24} {parameters:>12} {gmacs:>8.3}  {stem:10} {block:22} {shortcut}"
        )?;
    }
    if between {
        writeln!(out)?;
    }
    if !dense.is_empty() {
        writeln!(
            out,
            "{:28} {:>12}  {:22} finds",
            "name", "parameters", "task"
        )?;
    }
    for DenseRow {
        name,
        parameters,
        task,
        finds,
    } in dense
    {
        writeln!(out, "{name:28} {parameters:>12}  {task:22} {finds}")?;
    }
    Ok(Outcome::Done)
}
