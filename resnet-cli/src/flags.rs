//! Flags that several commands have.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{ArgGroup, Args};
use resnet_backend::Selection;
use resnet_core::ResNetConfig;
use resnet_image::{Filter, PerChannel, Preprocessing};
use resnet_weights::{Checkpoint, FloatType, ModelSource, OptionError, Overrides, ReadError};

use crate::MemoryFlags;

/// Which network, with which weights, where.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("source").args(["model", "weights"]).required(true).multiple(true))]
pub struct NetworkFlags {
    /// Published weights, with their preprocessing and labels: an id as `weights list` shows them, or the name of a
    /// network for its default. Downloaded when first used.
    #[arg(long, value_name = "ID", conflicts_with = "arch")]
    pub model: Option<String>,
    /// Checkpoint: `.pth`, `.pt`, `.th`, `.safetensors`, or `.onnx` where that is built in. With `--model`, in place of
    /// the download.
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Architecture, as `resnet-infer models` lists them [default: told from the checkpoint, with its
    /// classes].
    #[arg(long, value_name = "NAME")]
    pub arch: Option<String>,
    /// Options of the network.
    #[command(flatten)]
    pub options: ModelFlags,
    /// On what it runs.
    #[command(flatten)]
    pub runtime: RuntimeFlags,
}

/// What the keys of a checkpoint do not tell.
#[derive(Clone, Debug, Default, Args)]
pub struct ModelFlags {
    /// Network to read from a checkpoint that holds several: a path of its keys, as `resnet-infer
    /// inspect` lists them.
    #[arg(long, value_name = "KEY", help_heading = "Model")]
    pub state: Option<String>,
    /// Norm layers, where the checkpoint has no running statistics: `group:N`, `instance` or
    /// `batch-stats` [default: group:32].
    #[arg(long, value_name = "KIND", value_parser = norm, help_heading = "Model")]
    norm: Option<String>,
    /// Option of the network, by its name in saved configs: `stride_placement=conv1x1`,
    /// `norm_eps=1e-3`, `num_classes=0`. May be repeated.
    #[arg(long, value_name = "OPTION=VALUE", value_parser = option, help_heading = "Model")]
    set: Vec<String>,
}

impl ModelFlags {
    /// The options that were given.
    ///
    /// # Errors
    ///
    /// If one of them is no option of a network.
    pub fn overrides(&self) -> Result<Overrides, OptionError> {
        self.changes()
            .try_fold(Overrides::default(), |overrides, change| {
                overrides.set(&change)
            })
    }

    /// The options that were given, `OPTION=VALUE` each.
    pub fn changes(&self) -> impl Iterator<Item = String> {
        let norm = self.norm.iter().map(|kind| format!("norm={kind}"));
        norm.chain(self.set.iter().cloned())
    }

    /// The flags again, for another process.
    pub fn arguments(&self) -> Vec<String> {
        let flag = |name: &str, value: &String| format!("--{name}={value}");
        let state = self.state.iter().map(|value| flag("state", value));
        let norm = self.norm.iter().map(|value| flag("norm", value));
        let set = self.set.iter().map(|value| flag("set", value));
        state.chain(norm).chain(set).collect()
    }

    /// Opens a checkpoint and enters the network that `--state` names.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or has no such network.
    pub fn open(&self, file: &Path) -> Result<Checkpoint, ReadError> {
        let checkpoint = Checkpoint::open(file)?;
        match &self.state {
            Some(state) => checkpoint.with_state(state),
            None => Ok(checkpoint),
        }
    }

    /// Returns a checkpoint as the network that `--state` and the options name, of the named architecture if there is one.
    ///
    /// # Errors
    ///
    /// If one of them is no option of a network.
    pub fn source(&self, file: &Path, arch: Option<&str>) -> Result<ModelSource> {
        let source = ModelSource::file(file);
        self.add_to(match arch {
            Some(arch) => source.with_arch(arch),
            None => source,
        })
    }

    /// Adds the options to a source.
    ///
    /// # Errors
    ///
    /// If one of them is no option of a network.
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

/// Values are checked on a network without stages, which has every other option.
fn option(text: &str) -> Result<String, String> {
    let overrides = Overrides::default()
        .set(text)
        .map_err(|error| error.to_string())?;
    if !text.starts_with("stages") {
        let none = ResNetConfig::new(Vec::new());
        overrides.apply(none).map_err(|error| error.to_string())?;
    }
    Ok(text.into())
}

/// On what it runs.
#[derive(Clone, Copy, Debug, Args)]
pub struct RuntimeFlags {
    #[command(flatten)]
    device: DeviceFlags,
    /// Float type to compute in: `f32`, `f16` or `bf16`, where the backend can.
    #[arg(long, value_name = "TYPE", default_value_t)]
    pub dtype: FloatType,
    /// The limit on memory.
    #[command(flatten)]
    pub memory: MemoryFlags,
}

/// Where it runs.
#[derive(Clone, Copy, Debug, Args)]
pub struct DeviceFlags {
    /// Backend to run on, and its device: `cpu`, `wgpu:1`, `tch:cpu`, as `resnet-infer backends` lists them [default: the
    /// fastest of those].
    #[arg(long, value_name = "NAME[:DEVICE]", env = "RESNET_BACKEND")]
    backend: Option<Selection>,
}

impl RuntimeFlags {
    /// The backend asked for, or the fastest.
    pub fn selection(self) -> Selection {
        self.device.selection()
    }
}

impl DeviceFlags {
    /// The backend asked for, or the fastest.
    pub fn selection(self) -> Selection {
        self.backend.unwrap_or_else(Selection::fastest)
    }
}

/// What is done to an image before the network; each flag replaces one part of the default.
#[derive(Debug, Args)]
#[command(next_help_heading = "Preprocessing")]
pub struct PreprocessingFlags {
    /// Pixels of the shorter side after resizing, or `none` [default: that of `--model`; else 256, none for CIFAR networks].
    #[arg(long, value_name = "N", value_parser = size_or_none)]
    resize: Option<Size>,
    /// Side of the square cut from the centre, or `none` [default: that of `--model`; else 224, none for CIFAR networks].
    #[arg(long, value_name = "N", value_parser = size_or_none)]
    crop: Option<Size>,
    /// `bilinear` or `bicubic` [default: that of `--model`; else bilinear].
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,
    #[command(flatten)]
    normalization: NormalizationFlags,
}

/// What is subtracted from each channel, and what divides it.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Preprocessing")]
pub struct NormalizationFlags {
    /// Mean of each channel, 0 to 1: three for RGB images, one for gray, four for RGBA [default: that of `--model`; else
    /// ImageNet's 0.485,0.456,0.406].
    #[arg(long, value_name = "R,G,B", value_parser = numbers)]
    mean: Option<PerChannel>,
    /// Standard deviation of each channel, as many as means [default: that of `--model`; else ImageNet's
    /// 0.229,0.224,0.225].
    #[arg(long, value_name = "R,G,B", value_parser = positive_numbers)]
    std: Option<PerChannel>,
}

impl NormalizationFlags {
    /// The preprocessing with the flags that were given.
    pub fn over(self, preprocessing: Preprocessing) -> Preprocessing {
        Preprocessing {
            mean: self.mean.unwrap_or(preprocessing.mean),
            std: self.std.unwrap_or(preprocessing.std),
            ..preprocessing
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Size(Option<u32>);

impl PreprocessingFlags {
    /// The preprocessing with the flags that were given.
    pub fn over(&self, preprocessing: Preprocessing) -> Preprocessing {
        self.normalization.over(Preprocessing {
            resize: self.resize.map_or(preprocessing.resize, |size| size.0),
            crop: self.crop.map_or(preprocessing.crop, |size| size.0),
            filter: self.filter.unwrap_or(preprocessing.filter),
            ..preprocessing
        })
    }
}

/// A whole number above 0.
///
/// # Errors
///
/// For any other text.
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
