use anyhow::{Result, bail};
use burn::tensor::backend::Backend;
use resnet_backend::{Selection, Work};
use resnet_core::{ResNet, ResNetConfig};
use resnet_weights::{Checkpoint, Overrides, Save};

use crate::cli::Convert;
use crate::commands::check_distinct;
use resnet_infer::command;
use resnet_infer::command::Outcome;

#[derive(Clone, Copy)]
enum Format {
    Safetensors,
    Burnpack,
}

pub(crate) fn run(args: Convert) -> Result<Outcome> {
    let output = args.output.display();
    let ending = args.output.extension().unwrap_or_default();
    let format = match ending.to_ascii_lowercase().to_str() {
        Some("safetensors") => Format::Safetensors,
        Some("bpk") => Format::Burnpack,
        _ => bail!("`{output}`: expected a name that ends in `.safetensors` or `.bpk`"),
    };
    check_distinct(&args.output, &args.input)?;
    let checkpoint = args.options.open(&args.input)?;
    let overrides = args.options.overrides()?;
    let config = match &args.arch {
        Some(name) => overrides.apply(named(name, &checkpoint)?)?,
        None => command::guess(&checkpoint, &overrides)?.config,
    };
    resnet_backend::with_backend(
        Selection::processor(),
        Job {
            args,
            format,
            config,
            checkpoint,
            overrides,
        },
    )?
}

/// The named network, with the classes and channels of the file.
fn named(name: &str, checkpoint: &Checkpoint) -> Result<ResNetConfig> {
    let config = ResNetConfig::named(name)?;
    Ok(command::with_classes(
        config,
        checkpoint,
        command::Classes::OfTheFile,
    ))
}

struct Job {
    args: Convert,
    format: Format,
    config: ResNetConfig,
    checkpoint: Checkpoint,
    overrides: Overrides,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let model: ResNet<B> = self.config.init(&device);
        let load = command::load(&self.overrides);
        let (model, report) = load.apply(model, &self.checkpoint)?;
        if !report.filled.is_empty() {
            command::note(&command::filled(&report.filled));
        }
        let mut save = Save::default().with_dtype(self.args.dtype);
        if let Some(labels) = self.checkpoint.labels() {
            save = save.with_labels(labels.clone());
        }
        if let Some(recipe) = self.checkpoint.recipe() {
            save = save.with_recipe(recipe);
        }
        if let Some(activation) = self.checkpoint.output_activation() {
            save = save.with_output_activation(activation);
        }
        match self.format {
            Format::Burnpack => save.burnpack(&model, &self.args.output)?,
            Format::Safetensors => save.safetensors(&model, &self.args.output)?,
        }
        Ok(Outcome::Done)
    }
}
