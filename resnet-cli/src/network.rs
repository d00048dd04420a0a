//! Construction of a network with its weights from the flags.

use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use burn::tensor::backend::Backend;
use resnet_core::ResNet;
use resnet_dense::DenseArch;
use resnet_engine::{CompileOptions, Engine};
use resnet_image::Preprocessing;
use resnet_weights::{
    Checkpoint, Classes, DenseWeights, EmbeddedDense, FloatType, Labels, LoadError, LoadHint,
    ModelSource, Report, Resolved, ResolvedDense, SourceError,
};

use crate::{NetworkFlags, RuntimeFlags, fetch, note};

impl NetworkFlags {
    /// Returns the model source that the flags select.
    ///
    /// # Errors
    ///
    /// Returns an error if an option of the network is invalid, or neither `--model` nor
    /// `--weights` is given.
    pub fn source(&self, offline: bool) -> Result<ModelSource> {
        let (options, arch) = (&self.options, self.arch.as_deref());
        match (&self.model, &self.weights) {
            (Some(model), Some(file)) => options.add_to(ModelSource::named(model).with_file(file)),
            (Some(model), None) => options.add_to(with_fetch(ModelSource::named(model), offline)?),
            (None, Some(file)) => options.source(file, arch),
            (None, None) => bail!("expected --model or --weights"),
        }
    }

    /// Finds and opens the checkpoint, and determines the architecture from `--model`, `--arch` or
    /// the file. Prints notes about assumptions and unused tensors.
    ///
    /// # Errors
    ///
    /// Returns an error if a name is unknown, the file cannot be found, downloaded or read, or the
    /// architecture cannot be inferred from it.
    pub fn resolve(&self, classes: Classes, offline: bool) -> Result<Resolved> {
        resolve(self.source(offline)?.with_classes(classes))
    }
}

impl NetworkFlags {
    /// Returns whether the flags name a detector or a segmentation network.
    ///
    /// # Errors
    ///
    /// Returns an error if the checkpoint cannot be read.
    pub fn is_dense(&self) -> Result<bool> {
        if let Some(model) = &self.model {
            let embedded = EmbeddedDense::named(model).is_some();
            return Ok(embedded || DenseWeights::named(model).is_some());
        }
        match (&self.arch, &self.weights) {
            (Some(arch), _) => Ok(arch.parse::<DenseArch>().is_ok()),
            (None, Some(file)) => Ok(Checkpoint::open(file)?.is_dense()),
            (None, None) => Ok(false),
        }
    }

    /// Finds and opens the checkpoint of a detector or segmentation network, and determines the
    /// network from `--model`, `--arch` or the file.
    ///
    /// # Errors
    ///
    /// Returns an error if a name is unknown, the file cannot be found, downloaded or read, or the
    /// network cannot be inferred from it.
    pub fn resolve_dense(&self, offline: bool) -> Result<ResolvedDense> {
        let (options, arch) = (&self.options, self.arch.as_deref());
        let source = match (&self.model, &self.weights) {
            (Some(model), Some(file)) => {
                options.add_to(ModelSource::named(model).with_file(file))?
            }
            (Some(model), None) => {
                options.add_to(ModelSource::named(model).with_fetch(fetch(offline)?))?
            }
            (None, Some(file)) => options.source(file, arch)?,
            (None, None) => bail!("expected --model or --weights"),
        };
        Ok(source.resolve_dense()?)
    }
}

/// Checks that a command for detectors or segmentation networks computes in `f32`.
///
/// # Errors
///
/// Returns an error for any other float type.
pub fn check_f32(runtime: RuntimeFlags) -> Result<()> {
    match runtime.dtype {
        FloatType::F32 => Ok(()),
        other => bail!(
            "--dtype {other}: expected f32: detectors and segmentation networks compute in no other type"
        ),
    }
}

/// Applies the download settings of the environment to a source of pretrained weights.
///
/// # Errors
///
/// Returns an error if no weights have the name, or an environment variable has an invalid value.
pub fn with_fetch(source: ModelSource, offline: bool) -> Result<ModelSource> {
    Ok(match source.is_fetched()? {
        true => source.with_fetch(fetch(offline)?),
        false => source,
    })
}

/// Applies the download settings of the environment to a source of pretrained weights of a detector
/// or segmentation network.
///
/// # Errors
///
/// Returns an error if an environment variable has an invalid value.
pub fn with_dense_fetch(source: ModelSource, offline: bool) -> Result<ModelSource> {
    Ok(source.with_fetch(fetch(offline)?))
}

/// Resolves a source and prints its notes.
///
/// # Errors
///
/// Returns the errors of [`ModelSource::resolve`].
pub fn resolve(source: ModelSource) -> Result<Resolved> {
    let resolved = source.resolve()?;
    resolved.notes.iter().for_each(|text| note(text));
    Ok(resolved)
}

/// Builds the network and loads its weights. Prints a note about tensors that the file lacks.
///
/// # Errors
///
/// Returns an error if the config is invalid or the weights do not fit the network.
pub fn load<B: Backend>(resolved: &Resolved, device: &B::Device) -> Result<ResNet<B>> {
    let (model, report) = resolved.load(device).map_err(source_error)?;
    tell_report(&report);
    Ok(model)
}

/// Compiles the network with its weights, like [`load`].
///
/// # Errors
///
/// Returns the errors of [`load`], and an error if the network does not fit into memory.
pub fn compile(resolved: &Resolved, options: CompileOptions) -> Result<Engine> {
    let (engine, report) = resolved.compile(options).map_err(source_error)?;
    tell_report(&report);
    Ok(engine)
}

fn source_error(error: SourceError) -> Error {
    match error {
        SourceError::Load(error) => load_error(error),
        error => error.into(),
    }
}

/// Adds advice to an error in terms of flags; the library's own advice names functions.
pub fn load_error(error: LoadError) -> Error {
    match error {
        LoadError::Rejected { file, report } => {
            let advice = match report.hint() {
                Some(LoadHint::Headless) => {
                    "; the network has no classifier: pass `--set num_classes=N` with the file's number of classes"
                }
                Some(LoadHint::OtherClasses) => {
                    "; pass `--set num_classes=N` with the file's number of classes"
                }
                Some(LoadHint::Diverged) => "; its training diverged, use another file",
                Some(LoadHint::OtherArchitecture) => {
                    "; the file may be of another architecture: `resnet-infer inspect` guesses it"
                }
                _ => "",
            };
            anyhow!("`{file}`: does not fit the network: {report}{advice}")
        }
        LoadError::LayeredHead { file, head } => anyhow!(
            "`{file}`: expected one linear layer as the classifier, found more in `{head}`; load the network without its \
             classifier: `--set num_classes=0`"
        ),
        error => error.into(),
    }
}

/// Prints a note about the tensors that a checkpoint lacks, if there are any.
pub fn tell_report(report: &Report) {
    if let Some(text) = report.note() {
        note(&text);
    }
}

/// Returns `own`, the labels that the user gave in `file`, else the labels of the network.
///
/// # Errors
///
/// Returns an error if the number of labels differs from the number of classes.
pub fn labels(own: Option<Labels>, file: Option<&Path>, network: &Resolved) -> Result<Labels> {
    match (own, file) {
        (Some(labels), Some(file)) => {
            let name = format!("`{}`", file.display());
            Ok(labels.check(network.config.num_classes, &name)?)
        }
        _ => {
            let name = format!("`{}`: the labels of the file", network.checkpoint.name());
            let labels = network.labels.clone();
            Ok(labels.check(network.config.num_classes, &name)?)
        }
    }
}

/// Checks that a network has a classifier and accepts the output of the preprocessing.
///
/// # Errors
///
/// Returns an error if the network has no classifier, its config or the preprocessing is invalid,
/// or their channels differ.
pub fn check_classifier(network: &Resolved, preprocessing: &Preprocessing) -> Result<()> {
    ensure!(
        network.config.num_classes > 0,
        "the network has no classifier: expected 1 class or more, found 0; {}",
        network.head_hint()
    );
    network.config.validate()?;
    preprocessing.validate().context("preprocessing")?;
    Ok(preprocessing.check_channels(network.config.in_channels)?)
}
