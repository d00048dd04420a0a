//! Flags shared by several commands.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{ArgGroup, Args};
use resnet_backend::Selection;
use resnet_core::ResNetConfig;
use resnet_image::{Filter, PerChannel, Preprocessing};
use resnet_weights::{Checkpoint, FloatType, ModelSource, OptionError, Overrides, ReadError};

use crate::MemoryFlags;

/// The network, its weights and the backend.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("source").args(["model", "weights"]).required(true).multiple(true))]
pub struct NetworkFlags {
    /// Pretrained weights, with their preprocessing and labels: an id from
    /// `resnet-infer weights list`, or the name of an architecture for its default weights.
    /// Downloaded at first use.
    #[arg(
        long,
        value_name = "ID",
        conflicts_with = "arch",
        help_heading = "Model"
    )]
    pub model: Option<String>,
    /// Checkpoint file: `.pth`, `.pt`, `.th`, `.safetensors`, or `.onnx` if the feature `onnx` is
    /// built in. With `--model`, replaces the download.
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    pub weights: Option<PathBuf>,
    /// Architecture, one of `resnet-infer models` [default: inferred from the checkpoint, with its
    /// number of classes].
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    pub arch: Option<String>,
    /// The options of the network.
    #[command(flatten)]
    pub options: ModelFlags,
    /// The backend, the float type and the memory limit.
    #[command(flatten)]
    pub runtime: RuntimeFlags,
}

/// The options of a network that the keys of its checkpoint do not determine.
#[derive(Clone, Debug, Default, Args)]
pub struct ModelFlags {
    /// State dict to read from a checkpoint that holds several: its key path, one of those that
    /// `resnet-infer inspect` lists.
    #[arg(long, value_name = "KEY", help_heading = "Model")]
    pub state: Option<String>,
    /// Normalization layers of a checkpoint without running statistics: `group:N`, `instance` or
    /// `batch-stats` [default: group:32].
    #[arg(long, value_name = "KIND", value_parser = norm, help_heading = "Model")]
    norm: Option<String>,
    /// Config option of the network to set, such as `stride_placement=conv1x1`, `norm_eps=1e-3` or
    /// `num_classes=0`. Can be repeated.
    #[arg(long, value_name = "OPTION=VALUE", value_parser = option, help_heading = "Model")]
    set: Vec<String>,
}

impl ModelFlags {
    /// Returns the given options.
    ///
    /// # Errors
    ///
    /// Returns an error if the network has no such option or the value is invalid.
    pub fn overrides(&self) -> Result<Overrides, OptionError> {
        self.changes()
            .try_fold(Overrides::default(), |overrides, change| {
                overrides.set(&change)
            })
    }

    /// Returns the given options as `OPTION=VALUE`.
    pub fn changes(&self) -> impl Iterator<Item = String> {
        let norm = self.norm.iter().map(|kind| format!("norm={kind}"));
        norm.chain(self.set.iter().cloned())
    }

    /// Returns the flags as arguments for a child process.
    pub fn arguments(&self) -> Vec<String> {
        let flag = |name: &str, value: &String| format!("--{name}={value}");
        let state = self.state.iter().map(|value| flag("state", value));
        let norm = self.norm.iter().map(|value| flag("norm", value));
        let set = self.set.iter().map(|value| flag("set", value));
        state.chain(norm).chain(set).collect()
    }

    /// Opens a checkpoint and selects the state dict that `--state` names.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or has no such state dict.
    pub fn open(&self, file: &Path) -> Result<Checkpoint, ReadError> {
        let checkpoint = Checkpoint::open(file)?;
        match &self.state {
            Some(state) => checkpoint.with_state(state),
            None => Ok(checkpoint),
        }
    }

    /// Returns the model source of a checkpoint file, with `--state`, the options and the
    /// architecture, if given.
    ///
    /// # Errors
    ///
    /// Returns an error if an option is invalid.
    pub fn source(&self, file: &Path, arch: Option<&str>) -> Result<ModelSource> {
        let source = ModelSource::file(file);
        self.add_to(match arch {
            Some(arch) => source.with_arch(arch),
            None => source,
        })
    }

    /// Adds `--state` and the options to a source.
    ///
    /// # Errors
    ///
    /// Returns an error if an option is invalid.
    pub(crate) fn add_to(&self, source: ModelSource) -> Result<ModelSource> {
        let source = source.with_overrides(self.overrides()?);
        Ok(match &self.state {
            Some(state) => source.with_state(state),
            None => source,
        })
    }
}

fn norm(text: &str) -> Result<String, String> {
    option(&format!("norm={text}"))?;
    Ok(text.into())
}

/// Validates the option on a config without stages, which has every option except the stages.
fn option(text: &str) -> Result<String, String> {
    let overrides = Overrides::default()
        .set(text)
        .map_err(|error| error.to_string())?;
    // The value of an option of a detector is validated with the detector.
    if !text.starts_with("stages") && !overrides.has_dense_only() {
        let none = ResNetConfig::new(Vec::new());
        overrides.apply(none).map_err(|error| error.to_string())?;
    }
    Ok(text.into())
}

/// The backend, the float type and the memory limit.
#[derive(Clone, Copy, Debug, Args)]
pub struct RuntimeFlags {
    #[command(flatten)]
    device: DeviceFlags,
    /// Float type of weights and activations: `f32`, or `f16` or `bf16` if the backend supports
    /// them.
    #[arg(long, value_name = "TYPE", default_value_t, help_heading = "Runtime")]
    pub dtype: FloatType,
    /// The memory limit.
    #[command(flatten)]
    pub memory: MemoryFlags,
}

/// The backend and its device.
#[derive(Clone, Copy, Debug, Args)]
pub struct DeviceFlags {
    /// Backend and device, such as `cpu`, `wgpu:1` or `tch:cpu`; `resnet-infer backends` lists them
    /// [default: the fastest built-in backend, a GPU first].
    #[arg(
        long,
        value_name = "NAME[:DEVICE]",
        env = "RESNET_BACKEND",
        help_heading = "Runtime"
    )]
    backend: Option<Selection>,
}

impl RuntimeFlags {
    /// Returns the given backend, else the fastest.
    pub fn selection(self) -> Selection {
        self.device.selection()
    }
}

impl DeviceFlags {
    /// Returns the given backend, else the fastest.
    pub fn selection(self) -> Selection {
        self.backend.unwrap_or_else(Selection::fastest)
    }
}

/// The preprocessing of an image; each flag overrides one default.
#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Preprocessing")]
pub struct PreprocessingFlags {
    /// Length of the shorter side after resizing, in pixels, or `none` [default: from the weights,
    /// else 256; none for CIFAR networks].
    #[arg(long, value_name = "N", value_parser = size_or_none)]
    resize: Option<Size>,
    /// Side of the square center crop in pixels, or `none` [default: from the weights, else 224;
    /// none for CIFAR networks].
    #[arg(long, value_name = "N", value_parser = size_or_none)]
    crop: Option<Size>,
    /// Interpolation of the resize: `bilinear` or `bicubic` [default: from the weights, else
    /// bilinear].
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,
    #[command(flatten)]
    normalization: NormalizationFlags,
}

/// Mean and standard deviation of each channel, which normalize the pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Preprocessing")]
pub struct NormalizationFlags {
    /// Mean of each channel on a scale of 0 to 1: 3 values for RGB images, 1 for grayscale, 4 for
    /// RGBA [default: from the weights, else ImageNet's 0.485,0.456,0.406].
    #[arg(long, value_name = "R,G,B", value_parser = numbers)]
    mean: Option<PerChannel>,
    /// Standard deviation of each channel on a scale of 0 to 1, one value for each mean [default:
    /// from the weights, else ImageNet's 0.229,0.224,0.225].
    #[arg(long, value_name = "R,G,B", value_parser = positive_numbers)]
    std: Option<PerChannel>,
}

impl NormalizationFlags {
    /// Overrides the mean and the standard deviation of a preprocessing with the given flags.
    pub fn over(self, preprocessing: Preprocessing) -> Preprocessing {
        Preprocessing {
            mean: self.mean.unwrap_or(preprocessing.mean),
            std: self.std.unwrap_or(preprocessing.std),
            ..preprocessing
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Size(Option<u32>);

impl PreprocessingFlags {
    /// Overrides a preprocessing with the given flags.
    pub fn over(&self, preprocessing: Preprocessing) -> Preprocessing {
        self.normalization.over(Preprocessing {
            resize: self.resize.map_or(preprocessing.resize, |size| size.0),
            crop: self.crop.map_or(preprocessing.crop, |size| size.0),
            filter: self.filter.unwrap_or(preprocessing.filter),
            ..preprocessing
        })
    }
}

/// Parses a whole number above 0.
///
/// # Errors
///
/// Returns an error for any other text.
pub fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a whole number above 0".into()),
    }
}

fn size_or_none(text: &str) -> Result<Size, String> {
    match text.parse() {
        Ok(size) if size > 0 => Ok(Size(Some(size))),
        _ if text == "none" => Ok(Size(None)),
        _ => Err("expected a whole number above 0, or `none`".into()),
    }
}

fn positive_numbers(text: &str) -> Result<PerChannel, String> {
    match numbers(text)? {
        std if std.iter().all(|&std| std.is_finite() && std > 0.0) => Ok(std),
        _ => Err("expected numbers above 0".into()),
    }
}

fn numbers(text: &str) -> Result<PerChannel, String> {
    let numbers: Result<Vec<f32>, _> = text
        .split(',')
        .map(|number| number.trim().parse())
        .collect();
    let numbers = numbers
        .ok()
        .and_then(|numbers| PerChannel::try_from(numbers).ok());
    numbers.ok_or_else(|| "expected one, three or four numbers with commas between them".into())
}
