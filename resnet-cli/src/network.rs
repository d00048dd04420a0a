//! From the flags to a network with its weights.

use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use burn::tensor::backend::Backend;
use resnet_core::ResNet;
use resnet_image::Preprocessing;
use resnet_weights::{
    Classes, Labels, LoadError, LoadHint, ModelSource, Report, Resolved, SourceError,
};

use crate::{NetworkFlags, fetch, note};

impl NetworkFlags {
    /// The source that the flags name.
    ///
    /// # Errors
    ///
    /// If an option of the network cannot be set, or no network is named.
    pub fn source(&self, offline: bool) -> Result<ModelSource> {
        let (options, arch) = (&self.options, self.arch.as_deref());
        match (&self.model, &self.weights) {
            (Some(model), Some(file)) => options.add_to(ModelSource::named(model).with_file(file)),
            (Some(model), None) => options.add_to(with_fetch(ModelSource::named(model), offline)?),
            (None, Some(file)) => options.source(file, arch),
            (None, None) => bail!("expected --model or --weights"),
        }
    }

    /// Finds and opens the checkpoint, and settles the architecture: that of `--model`, the one named by `--arch`, or
    /// the one the file is of. Prints notes on what is assumed or left out.
    ///
    /// # Errors
    ///
    /// If a name is unknown, or the file cannot be found, downloaded or read, or does not tell its network.
    pub fn resolve(&self, classes: Classes, offline: bool) -> Result<Resolved> {
        resolve(self.source(offline)?.with_classes(classes))
    }
}

/// Gives a source that is looked for in caches and on the network the settings of the environment.
///
/// # Errors
///
/// If no set of weights has the name, or a variable of the environment has no meaning.
pub fn with_fetch(source: ModelSource, offline: bool) -> Result<ModelSource> {
    Ok(match source.is_fetched()? {
        true => source.with_fetch(fetch(offline)?),
        false => source,
    })
}

/// Resolves a source. Prints its notes.
///
/// # Errors
///
/// As [`ModelSource::resolve`].
pub fn resolve(source: ModelSource) -> Result<Resolved> {
    let resolved = source.resolve()?;
    resolved.notes.iter().for_each(|text| note(text));
    Ok(resolved)
}

/// Builds the network with its weights. Prints a note on what the file lacks.
///
/// # Errors
///
/// If the config is invalid or the weights are of another network.
pub fn load<B: Backend>(resolved: &Resolved, device: &B::Device) -> Result<ResNet<B>> {
    let (model, report) = resolved.load(device).map_err(|error| match error {
        SourceError::Load(error) => load_error(error),
        error => error.into(),
    })?;
    tell_report(&report);
    Ok(model)
}

/// Returns the error with advice that names flags; the library's names functions.
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

/// Prints a note on what the file of a network lacks, if anything.
pub fn tell_report(report: &Report) {
    if let Some(text) = report.note() {
        note(&text);
    }
}

/// Returns the labels that the user has in `file`, else the network's.
///
/// # Errors
///
/// If the user's are not as many as the network has classes.
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

/// Checks that a network has a classifier and takes the images that its preprocessing makes.
///
/// # Errors
///
/// If it has none, its config or the preprocessing is invalid, or they disagree about the channels.
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
