//! The network of a run and its initial values.

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::backend::AutodiffBackend;
use resnet_cli::{MemoryFlags, note};
use resnet_core::ResNet;
use resnet_data::objects::TargetParts;
use resnet_dense::{DenseConfig, DetectorConfig, DetectorNetwork, Segmentation};
use resnet_train::{Config, Task, Trainable};
use resnet_weights::{DenseWeights, EmbeddedDense, Load, ModelSource, Resolved, ResolvedDense};

use super::Data;
use crate::cli::task_name;

/// The network of a run and its initial values.
pub(super) struct Start {
    /// The name of the network.
    pub(super) name: String,
    /// The origin of its initial values, for display.
    pub(super) origin: String,
    /// The options, with the classes of the dataset.
    pub(super) network: DenseConfig,
    weights: Option<ResolvedDense>,
    backbone: Option<Resolved>,
}

impl Start {
    /// Resolves the network of a config for a dataset, and downloads its weights if necessary.
    pub(super) fn new(
        config: &Config,
        data: &Data,
        memory: MemoryFlags,
        offline: bool,
    ) -> Result<Self> {
        let weights = weights(config, offline)?;
        let (name, origin, mut network) = match &weights {
            Some(resolved) => {
                resolved.notes.iter().for_each(|text| note(text));
                let origin = match &config.weights {
                    Some(file) => format!("`{}`", file.display()),
                    None => resolved.name.clone(),
                };
                (resolved.name.clone(), origin, resolved.config.clone())
            }
            None => {
                ensure!(
                    config.arch.is_some(),
                    "expected a network, found none: use --arch, --model, --weights or --recipe"
                );
                let network = config.dense_network()?;
                let name = config.arch.clone().unwrap_or_default();
                let origin = match &config.backbone {
                    Some(backbone) => format!("`{backbone}`"),
                    None => "scratch".into(),
                };
                (name, origin, network)
            }
        };
        set_classes(&mut network, data, config.task).with_context(|| format!("`{name}`"))?;
        network.validate()?;
        let channels = network.body().in_channels;
        ensure!(
            channels == 3,
            "`{name}`: expected 3 input channels, found {channels}; training of detectors and \
             segmentation networks reads RGB images only"
        );
        let size = match &network {
            DenseConfig::Detection(config) => {
                let transform = config.transform();
                let longest = transform.max_size;
                let shortest = transform.min_size.iter().max().copied().unwrap_or(800);
                [shortest.min(longest), longest.min(shortest * 4 / 3)]
            }
            DenseConfig::Segmentation(_) => [config.class_maps.crop as usize; 2],
        };
        memory.check(
            &name,
            network.body(),
            config.batch_size,
            size,
            "--batch-size",
        )?;
        let backbone = match (&config.backbone, &weights) {
            (Some(name), None) => Some(backbone(name, offline)?),
            _ => None,
        };
        Ok(Self {
            name,
            origin,
            network,
            weights,
            backbone,
        })
    }

    /// Creates the network and loads its initial values. The last layers of the heads are randomly
    /// initialized if the number of classes differs.
    pub(super) fn load<B: AutodiffBackend, N: Trainable<B> + HasBody<B>>(
        &self,
        config: &Config,
        device: &B::Device,
        init: impl FnOnce() -> N,
    ) -> Result<N> {
        B::seed(device, config.seed);
        let network = init();
        if let Some(resolved) = &self.weights {
            let load = Load::default().allow_other_classes();
            let (network, report) = load
                .apply(network, &resolved.checkpoint)
                .map_err(resnet_cli::load_error)
                .context("initial weights")?;
            if !report.fresh.is_empty() {
                note(&format!(
                    "randomly initialized: {}",
                    report.fresh.join(", ")
                ));
            }
            return Ok(network);
        }
        let Some(backbone) = &self.backbone else {
            return Ok(network);
        };
        network.map_body(|body| {
            let load = Load::default().allow_other_classes().allow_other_options();
            let loaded = load.apply(body, &backbone.checkpoint);
            Ok(loaded
                .map_err(resnet_cli::load_error)
                .context("`backbone`")?
                .0)
        })
    }
}

/// A network on a residual network.
pub(super) trait HasBody<B: AutodiffBackend>: Sized {
    /// Changes the residual network.
    fn map_body(self, change: impl FnOnce(ResNet<B>) -> Result<ResNet<B>>) -> Result<Self>;
}

impl<B: AutodiffBackend> HasBody<B> for DetectorNetwork<B> {
    fn map_body(self, change: impl FnOnce(ResNet<B>) -> Result<ResNet<B>>) -> Result<Self> {
        Self::map_body(self, change)
    }
}

impl<B: AutodiffBackend> HasBody<B> for Segmentation<B> {
    fn map_body(self, change: impl FnOnce(ResNet<B>) -> Result<ResNet<B>>) -> Result<Self> {
        Self::map_body(self, change)
    }
}

/// Opens the weights of a whole network, or returns `None` for a network from scratch.
fn weights(config: &Config, offline: bool) -> Result<Option<ResolvedDense>> {
    let source = match (&config.model, &config.weights, &config.arch) {
        (Some(model), ..) => {
            ensure!(
                DenseWeights::named(model).is_some() || EmbeddedDense::named(model).is_some(),
                "`{model}`: expected published weights of a detector or segmentation network; \
                 `resnet-infer weights list` shows them"
            );
            resnet_cli::with_dense_fetch(ModelSource::named(model), offline)?
        }
        (None, Some(file), Some(arch)) => ModelSource::file(file).with_arch(arch),
        (None, Some(file), None) => ModelSource::file(file),
        (None, None, _) => return Ok(None),
    };
    let source = source.with_overrides(config.overrides()?);
    let source = match &config.state {
        Some(state) => source.with_state(state),
        None => source,
    };
    Ok(Some(source.resolve_dense()?))
}

/// Opens the weights of the residual network: published ones, or a file.
fn backbone(name: &str, offline: bool) -> Result<Resolved> {
    let path = std::path::Path::new(name);
    let source = match path.is_file() {
        true => ModelSource::file(path),
        false => resnet_cli::with_fetch(ModelSource::named(name), offline)?,
    };
    resnet_cli::resolve(source)
}

/// Gives the network the classes and keypoints of the dataset, and checks that the dataset has what
/// the network learns.
fn set_classes(network: &mut DenseConfig, data: &Data, task: Task) -> Result<()> {
    let classes = data.classes().len();
    match (network, data) {
        (DenseConfig::Segmentation(network), Data::ClassMaps(_)) => {
            network.num_classes = classes + 1;
        }
        (DenseConfig::Detection(network), Data::Objects([train, _])) => {
            if let DetectorConfig::Rcnn(network) = &mut *network
                && let Some(keypoints) = &mut network.keypoints
            {
                *keypoints = train.keypoints().names.len();
                ensure!(
                    *keypoints > 0,
                    "expected annotations with keypoints, found none: the network predicts them"
                );
            }
            ensure!(
                network.keypoints().is_some() == (task == Task::Keypoints),
                "--task: use `keypoints` for a network that predicts keypoints, else `detect`"
            );
            ensure!(
                !network.has_masks() || train.has_masks(),
                "expected annotations with masks, found none: use a network without masks, such as \
                 fasterrcnn_resnet50_fpn"
            );
            let first = TargetParts::of(network).first_class;
            network.set_num_classes(classes + first);
        }
        _ => bail!(
            "expected a network for --task {}, found another kind",
            task_name(task)
        ),
    }
    Ok(())
}
