//! `weights convert`: writes a checkpoint in another format.

use anyhow::{Result, bail};
use burn::tensor::backend::Backend;
use resnet_backend::{Selection, Work};
use resnet_cli::Outcome;
use resnet_weights::{Classes, Resolved, Save};

use crate::cli::Convert;
use crate::commands::check_distinct;

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
    let source = args.options.source(&args.input, args.arch.as_deref())?;
    let network = resnet_cli::resolve(source.with_classes(Classes::FromFile))?;
    resnet_backend::with_backend(
        Selection::processor(),
        Job {
            args,
            format,
            network,
        },
    )?
}

struct Job {
    args: Convert,
    format: Format,
    network: Resolved,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let model = resnet_cli::load::<B>(&self.network, &device)?;
        let checkpoint = &self.network.checkpoint;
        let mut save = Save::default().with_dtype(self.args.dtype);
        if let Some(labels) = checkpoint.labels() {
            save = save.with_labels(labels.clone());
        }
        if let Some(preprocessing) = checkpoint.preprocessing() {
            save = save.with_preprocessing(preprocessing);
        }
        if let Some(activation) = checkpoint.output_activation() {
            save = save.with_output_activation(activation);
        }
        match self.format {
            Format::Burnpack => save.burnpack(&model, &self.args.output)?,
            Format::Safetensors => save.safetensors(&model, &self.args.output)?,
        }
        Ok(Outcome::Done)
    }
}
