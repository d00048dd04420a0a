//! The folder of a run, and what tells the run from others.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use resnet_data::Dataset;
use resnet_train::Config;
use sha2::{Digest, Sha256};

use super::CHECKPOINTS;
use crate::cli;
use crate::commands::write;

const CONFIG: &str = "config.toml";

/// The folder with its config; that of another run is left alone.
pub(super) fn prepare(args: &cli::Run, text: &str) -> Result<()> {
    let folder = &args.output;
    let path = folder.join(CONFIG);
    // A start that failed leaves its config alone, which is no run.
    let begun = ["metrics.jsonl"]
        .into_iter()
        .chain(CHECKPOINTS.map(|(_, file)| file));
    let begun = path.exists()
        && begun
            .map(|file| folder.join(file))
            .any(|file| file.exists());
    match (begun, args.resume) {
        (true, false) => bail!(
            "`{}`: expected a new folder, found a run in it: go on with it by --resume, or take another --output",
            folder.display()
        ),
        (true, true) => {
            let kept =
                fs::read_to_string(&path).with_context(|| format!("`{}`", path.display()))?;
            ensure!(
                kept == text,
                "`{}`: expected the numbers of this run, found others: {}; resume with the same flags",
                path.display(),
                difference(&kept, text)
            );
        }
        (false, true) => bail!(
            "`{}`: expected a run to go on with, found no checkpoint in it",
            folder.display()
        ),
        (false, false) => {
            fs::create_dir_all(folder)
                .with_context(|| format!("`{}`: cannot be made", folder.display()))?;
            write(&path, text.as_bytes())?;
        }
    }
    Ok(())
}

/// The config as a file has it, headed by what tells these images from others.
pub(super) fn numbers(config: &Config, [train, valid]: &[Dataset; 2]) -> Result<String> {
    let mut images = Vec::new();
    for sample in train.samples().iter().chain(valid.samples()) {
        let name = sample.name();
        let file = Path::new(&*name).file_name().unwrap_or_default();
        images.extend_from_slice(file.as_encoded_bytes());
        images.extend(sample.labels().iter().flat_map(|label| label.to_le_bytes()));
    }
    Ok(format!(
        "# {} images of {} classes, {} to validate with: {}\n{}",
        train.len(),
        train.classes().len(),
        valid.len(),
        sha256(&images),
        toml::to_string(config).context("config")?
    ))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first lines that differ: numbers, or else the images.
fn difference(kept: &str, asked: &str) -> String {
    let lines = || {
        let lines = kept.lines().zip(asked.lines());
        lines.filter(|(kept, asked)| kept != asked)
    };
    let of_numbers = lines().find(|(kept, _)| !kept.starts_with('#'));
    match of_numbers.or_else(|| lines().next()) {
        Some((kept, asked)) => format!("`{kept}` there, `{asked}` here"),
        None => "more lines in one of them".into(),
    }
}
