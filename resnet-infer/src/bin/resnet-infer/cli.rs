//! The command line: what can be typed, and its help.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use resnet_backend::Selection;
use resnet_image::{Filter, Recipe};
use resnet_weights::FloatType;

/// Classify images with residual networks.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 all done, 1 some inputs failed, 2 could not run."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Never use the network: only files that are on this machine [env: RESNET_OFFLINE=1].
    #[arg(long, global = true)]
    pub(crate) offline: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Name what is in images.
    Classify(Classify),
    /// Run a tensor through a network and save logits, embedding and every feature map.
    Forward(Forward),
    /// Save what the network sees of an image: resized and cropped.
    Preprocess(Preprocess),
    /// List the architectures.
    Models(Models),
    /// Tell what a checkpoint holds.
    Inspect(Inspect),
    /// List the backends: what this program was built with, and what this machine has for it.
    Backends(Backends),
    /// Time networks on a backend.
    Bench(Bench),
    /// List, download, check and convert pretrained weights.
    #[command(subcommand)]
    Weights(Weights),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Weights {
    /// List the published weights: accuracy, cost, licence.
    List(WeightsList),
    /// Download weights that are not on this machine yet, and print where they lie.
    Download(WeightsIds),
    /// Hash the files of the cache again, and remove the wrong ones.
    Verify(WeightsVerify),
    /// Print where weights lie on this machine.
    Path(WeightsIds),
    /// Write a checkpoint anew: as safetensors with PyTorch's keys, or as Burn's burnpack.
    Convert(Convert),
    /// Remove the files of the cache.
    Clean(WeightsClean),
}

#[derive(Debug, Args)]
pub(crate) struct WeightsList {
    /// Ids to list, with `*` and `?`, or the name of a network [default: all].
    pub(crate) glob: Option<String>,
    /// A JSON array with all that is known of each instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsIds {
    /// Ids as `weights list` shows them, or names of networks.
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsVerify {
    /// Ids, or names of networks [default: all that are in the cache].
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// Checkpoint: `.pth`, `.pt`, `.th`, `.safetensors`, or `.onnx` where that is built in.
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// File to write: `.safetensors` or `.bpk` (burnpack).
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Float type of the tensors: `f32`, `f16` or `bf16`.
    #[arg(long, value_name = "TYPE", default_value_t)]
    pub(crate) dtype: FloatType,
    /// Architecture, where the keys do not tell it.
    #[arg(long, value_name = "NAME")]
    pub(crate) arch: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsClean {
    /// Only downloads that were cut short.
    #[arg(long)]
    pub(crate) partial: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// Images, folders of images, or `-` for one image on standard input.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) network: Network,
    /// Text file with one label a line; lets a network named by `--arch` have as many classes [default: ImageNet-1k for 1000 classes, CIFAR-10 for 10].
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) recipe: RecipeFlags,
    /// Classes to show for each image.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = positive)]
    pub(crate) top_k: usize,
    /// Images to run at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = positive)]
    pub(crate) batch_size: usize,
    /// One JSON object a line instead of a table.
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// CSV with a header instead of a table.
    #[arg(long)]
    pub(crate) csv: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Forward {
    #[command(flatten)]
    pub(crate) network: Network,
    /// Safetensors file with a tensor `input` of `[batch, channels, height, width]`.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Safetensors file to write: `logits`, `embedding`, `c1` to `c5`.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Largest stride of a feature map, 8, 16 or 32; later stages are dilated instead [default: that of the network].
    #[arg(long, value_name = "N")]
    pub(crate) output_stride: Option<usize>,
    /// Fold batch norms into convolutions first.
    #[arg(long)]
    pub(crate) fuse: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Preprocess {
    /// The image.
    pub(crate) image: PathBuf,
    /// PNG file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) recipe: RecipeFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Models {
    /// Names to list, with `*` and `?` [default: all].
    pub(crate) glob: Option<String>,
    /// A JSON array instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The checkpoint.
    pub(crate) file: PathBuf,
    /// A JSON object, with every tensor, instead of a summary.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Backends {
    /// A JSON array instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Networks, as `resnet-infer models` lists them [default: resnet18, resnet50, resnext50_32x4d, wide_resnet50_2 and
    /// resnet50d].
    #[arg(value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    #[command(flatten)]
    pub(crate) runtime: Runtime,
    /// Checkpoint to time the loading of [default: weights made up in memory].
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Images to run at once.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1", value_parser = positive)]
    pub(crate) batch_size: Vec<usize>,
    /// Sides of the images.
    #[arg(long, value_name = "N", default_value_t = 224, value_parser = positive)]
    pub(crate) size: usize,
    /// Fold batch norms into convolutions first, as `classify` does.
    #[arg(long)]
    pub(crate) fuse: bool,
    /// Runs that count.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = positive)]
    pub(crate) runs: usize,
    /// Runs before those, besides the first.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) warmup: usize,
    /// One JSON object a line instead of a table.
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// A Markdown table.
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// Which network, with which weights, where.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("source").args(["model", "weights"]).required(true).multiple(true))]
pub(crate) struct Network {
    /// Published weights, with their preprocessing and labels: an id as `weights list` shows them, or the name of a
    /// network for its default. Downloaded when first used.
    #[arg(long, value_name = "ID", conflicts_with = "arch")]
    pub(crate) model: Option<String>,
    /// Checkpoint: `.pth`, `.pt`, `.th`, `.safetensors`, or `.onnx` where that is built in. With `--model`, in place of
    /// the download.
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Architecture, as `resnet-infer models` lists them [default: told from the checkpoint, with its
    /// classes].
    #[arg(long, value_name = "NAME")]
    pub(crate) arch: Option<String>,
    #[command(flatten)]
    pub(crate) runtime: Runtime,
}

/// On what it runs.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Runtime {
    /// Backend to run on, and its device: `cpu`, `wgpu:1`, `tch:cpu`, as `resnet-infer backends` lists them [default: the
    /// fastest of those].
    #[arg(long, value_name = "NAME[:DEVICE]", env = "RESNET_BACKEND")]
    backend: Option<Selection>,
    /// Float type to compute in: `f32`, `f16` or `bf16`, where the backend can.
    #[arg(long, value_name = "TYPE", default_value_t)]
    pub(crate) dtype: FloatType,
}

impl Runtime {
    pub(crate) fn selection(self) -> Selection {
        self.backend.unwrap_or_else(Selection::fastest)
    }
}

/// What is done to an image before the network; each flag replaces one part of the default.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recipe")]
pub(crate) struct RecipeFlags {
    /// Pixels of the shorter side after resizing, or `none` [default: that of `--model`; else 256, none for CIFAR networks].
    #[arg(long, value_name = "N", value_parser = size_or_none)]
    resize: Option<Size>,
    /// Side of the square cut from the centre, or `none` [default: that of `--model`; else 224, none for CIFAR networks].
    #[arg(long, value_name = "N", value_parser = size_or_none)]
    crop: Option<Size>,
    /// `bilinear` or `bicubic` [default: that of `--model`; else bilinear].
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,
    /// Mean of each channel, 0 to 1 [default: that of `--model`; else ImageNet's 0.485,0.456,0.406].
    #[arg(long, value_name = "R,G,B", value_parser = triple)]
    mean: Option<[f32; 3]>,
    /// Standard deviation of each channel [default: that of `--model`; else ImageNet's 0.229,0.224,0.225].
    #[arg(long, value_name = "R,G,B", value_parser = positive_triple)]
    std: Option<[f32; 3]>,
}

#[derive(Clone, Copy, Debug)]
struct Size(Option<u32>);

impl RecipeFlags {
    /// The recipe with the flags that were given.
    pub(crate) fn over(&self, recipe: Recipe) -> Recipe {
        Recipe {
            resize: self.resize.map_or(recipe.resize, |size| size.0),
            crop: self.crop.map_or(recipe.crop, |size| size.0),
            filter: self.filter.unwrap_or(recipe.filter),
            mean: self.mean.unwrap_or(recipe.mean),
            std: self.std.unwrap_or(recipe.std),
        }
    }
}

fn positive(text: &str) -> Result<usize, String> {
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

fn positive_triple(text: &str) -> Result<[f32; 3], String> {
    match triple(text)? {
        std if std.iter().all(|&std| std.is_finite() && std > 0.0) => Ok(std),
        _ => Err("expected three numbers above 0".into()),
    }
}

fn triple(text: &str) -> Result<[f32; 3], String> {
    let numbers: Result<Vec<f32>, _> = text
        .split(',')
        .map(|number| number.trim().parse())
        .collect();
    let numbers = numbers
        .ok()
        .and_then(|numbers| <[f32; 3]>::try_from(numbers).ok());
    numbers.ok_or_else(|| "expected three numbers with commas between them".into())
}
