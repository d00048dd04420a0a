//! `recipes`: lists the recipes, or prints one.

use std::io::{self, Write};

use anyhow::{Context, Result};
use resnet_cli::Outcome;
use resnet_train::{Config, TrainConfigError};

use crate::cli::Recipes;

pub(crate) fn run(args: Recipes) -> Result<Outcome> {
    let mut out = io::stdout().lock();
    match args.name {
        Some(name) => {
            let mut recipes = Config::recipes();
            let known = || TrainConfigError::Unknown {
                name: name.clone(),
                known: Config::recipes().map(|(name, _)| name).collect(),
            };
            let (_, text) = recipes
                .find(|&(recipe, _)| recipe == name)
                .with_context(|| known().to_string())?;
            out.write_all(text.as_bytes())?;
        }
        None => {
            for (name, text) in Config::recipes() {
                let title = text.lines().next().unwrap_or_default();
                writeln!(out, "{name:16}{}", title.trim_start_matches("# "))?;
            }
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}
