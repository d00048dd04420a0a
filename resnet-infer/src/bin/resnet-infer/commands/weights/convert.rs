//! `weights convert`: writes a checkpoint in another format.

use anyhow::{Result, bail};
use burn::tensor::backend::Backend;
use resnet_backend::{Selection, Work};
use resnet_cli::{Outcome, note};
use resnet_dense::{DenseArch, DenseConfig};
use resnet_weights::{Checkpoint, Classes, Resolved, ResolvedDense, Save};

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
    let is_dense = match &args.arch {
        Some(arch) => arch.parse::<DenseArch>().is_ok(),
        None => Checkpoint::open(&args.input)?.is_dense(),
    };
    let network = match is_dense {
        true => {
            let network = source.resolve_dense()?;
            network.notes.iter().for_each(|text| note(text));
            Network::Dense(network)
        }
        false => Network::Classifier(resnet_cli::resolve(source.with_classes(Classes::FromFile))?),
    };
    resnet_backend::with_backend(
        Selection::processor(),
        Job {
            args,
            format,
            network,
        },
    )?
}

#[allow(
    clippy::large_enum_variant,
    reason = "there is one network in a command"
)]
enum Network {
    Classifier(Resolved),
    Dense(ResolvedDense),
}

struct Job {
    args: Convert,
    format: Format,
    network: Network,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        match &self.network {
            Network::Classifier(network) => {
                let model = resnet_cli::load::<B>(network, &device)?;
                self.convert(&model, &network.checkpoint, Save::default())
            }
            Network::Dense(network) => {
                let save = Save::default().with_dense_config(network.config.clone());
                match &network.config {
                    DenseConfig::Detection(config) => {
                        let (model, _) = network.load_into::<B, _>(config.init(&device))?;
                        self.convert(&model, &network.checkpoint, save)
                    }
                    DenseConfig::Segmentation(config) => {
                        let (model, _) = network.load_into::<B, _>(config.init(&device))?;
                        self.convert(&model, &network.checkpoint, save)
                    }
                }
            }
        }
    }
}

impl Job {
    /// Writes a network with the metadata of its checkpoint.
    fn convert<B: Backend>(
        &self,
        model: &impl resnet_core::Network<B>,
        checkpoint: &Checkpoint,
        save: Save,
    ) -> Result<Outcome> {
        let mut save = save.with_dtype(self.args.dtype);
        if let Some(labels) = checkpoint.labels() {
            save = save.with_labels(labels.clone());
        }
        if let Some(preprocessing) = checkpoint.preprocessing() {
            save = save.with_preprocessing(preprocessing);
        }
        if let Some(activation) = checkpoint.output_activation() {
            save = save.with_output_activation(activation);
        }
        if let Some(ids) = checkpoint.category_ids() {
            save = save.with_category_ids(ids.clone());
        }
        if let Some(keypoints) = checkpoint.keypoints() {
            save = save.with_keypoints(keypoints.clone());
        }
        match self.format {
            Format::Burnpack => save.burnpack(model, &self.args.output)?,
            Format::Safetensors => save.safetensors(model, &self.args.output)?,
        }
        Ok(Outcome::Done)
    }
}
