//! The command line: what can be typed, and its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use resnet_cli::{Evaluate, ModelFlags, NetworkFlags, PreprocessingFlags, RuntimeFlags, positive};
use resnet_weights::{FloatType, OutputActivation};

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
    /// Count how often a network is right on labelled images.
    Evaluate(Evaluate),
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
    /// List the published weights: accuracy, cost, license.
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
    #[command(flatten)]
    pub(crate) options: ModelFlags,
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
    pub(crate) network: NetworkFlags,
    /// Class names: a text file with one label per line, or `imagenet1k`, `imagenet12k` or
    /// `cifar10`. Lets a network named by `--arch` have as many classes [default: those of
    /// `--model` or of the file, else numbers].
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) preprocessing: PreprocessingFlags,
    /// Classes to show for each image [default: 5, or all above `--threshold`].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) top_k: Option<usize>,
    /// Least probability of the classes to show, 0 to 1: for networks with several labels per
    /// image.
    #[arg(long, value_name = "P", value_parser = probability)]
    pub(crate) threshold: Option<f32>,
    /// What turns logits into probabilities: `softmax`, where one class applies, or `sigmoid`,
    /// where each class is decided by itself [default: that of the file, else softmax; sigmoid for
    /// a single logit].
    #[arg(long, value_name = "NAME")]
    pub(crate) activation: Option<OutputActivation>,
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
    pub(crate) network: NetworkFlags,
    /// Safetensors file with a tensor `input` of `[batch, channels, height, width]`.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Safetensors file to write: `embedding`, `c1` to `c5`, and `logits` if the network has a classifier.
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
    pub(crate) preprocessing: PreprocessingFlags,
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
    /// Checkpoint, or folder of transformers or timm.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) options: ModelFlags,
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
    pub(crate) runtime: RuntimeFlags,
    /// Checkpoint to time the loading of [default: weights made up in memory].
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: ModelFlags,
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

fn probability(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|p| (0.0..=1.0).contains(p));
    number.ok_or_else(|| "expected a probability, 0 to 1".into())
}
