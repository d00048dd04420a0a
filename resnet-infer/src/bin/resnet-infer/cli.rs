//! The command line of `resnet-infer`: subcommands, flags and help texts.

mod quantize;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Arg, Args, Parser, Subcommand};
use resnet_cli::{
    CompileFlags, Evaluate, ModelFlags, NetworkFlags, PreprocessingFlags, RuntimeFlags, positive,
};
use resnet_weights::{FloatType, OutputActivation};

pub(crate) use quantize::Quantize;

/// Classify images with residual networks (ResNets), and inspect, convert and benchmark them.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 success, 1 some inputs failed, 2 an error stopped the command."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Never download: use only files on this machine [env: RESNET_OFFLINE=1].
    #[arg(long, global = true, help_heading = "Runtime")]
    pub(crate) offline: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Classify images.
    Classify(Classify),
    /// Detect objects: boxes, masks or keypoints.
    Detect(Detect),
    /// Segment images: find the class of each pixel.
    Segment(Segment),
    /// Evaluate the accuracy of a network on labeled images.
    Evaluate(EvaluateAny),
    /// Run a forward pass on a tensor and save logits, embedding and feature maps.
    Forward(Forward),
    /// Save an image as the network sees it, resized and cropped.
    Preprocess(Preprocess),
    /// List the architectures.
    Models(Models),
    /// Show a checkpoint's format, tensors and architecture.
    Inspect(Inspect),
    /// List the backends, which of them are built in, and their devices on this machine.
    Backends(Backends),
    /// Benchmark inference: latency, throughput and memory.
    Bench(Bench),
    /// Quantize a classifier to 8-bit integers, for the backend `cpu`.
    Quantize(Quantize),
    /// List, download, verify and convert pretrained weights.
    #[command(subcommand)]
    Weights(Weights),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Weights {
    /// List the pretrained weights with their accuracy, cost and license.
    List(WeightsList),
    /// Download pretrained weights, unless they are on this machine, and print their paths.
    Download(WeightsIds),
    /// Verify the SHA-256 of cached files, and remove corrupt ones.
    Verify(WeightsVerify),
    /// Print the paths of weights on this machine.
    Path(WeightsIds),
    /// Convert a checkpoint to safetensors (with PyTorch's keys) or to Burn's burnpack.
    Convert(Convert),
    /// Remove all downloaded weights from the cache.
    Clean(WeightsClean),
}

#[derive(Debug, Args)]
pub(crate) struct WeightsList {
    /// Ids to list, with the wildcards `*` and `?`, or the name of an architecture [default: all].
    pub(crate) glob: Option<String>,
    /// Print a JSON array with all metadata instead of a table.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsIds {
    /// Ids from `resnet-infer weights list`, or names of architectures.
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsVerify {
    /// Ids from `resnet-infer weights list`, or names of architectures [default: all cached
    /// weights].
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// Checkpoint file to read: `.pth`, `.pt`, `.th`, `.safetensors`, or `.onnx` if the feature
    /// `onnx` is built in.
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// File to write: `.safetensors` or `.bpk` (burnpack).
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Float type of the written tensors: `f32`, `f16` or `bf16`.
    #[arg(long, value_name = "TYPE", default_value_t, help_heading = "Output")]
    pub(crate) dtype: FloatType,
    /// Architecture, one of `resnet-infer models` [default: inferred from the checkpoint].
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    pub(crate) arch: Option<String>,
    #[command(flatten)]
    pub(crate) options: ModelFlags,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsClean {
    /// Remove only incomplete downloads.
    #[arg(long)]
    pub(crate) partial: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// Images, folders of images (searched recursively), or `-` for one image on standard input.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) network: NetworkFlags,
    /// Class names: a text file with one label per line, or `imagenet1k`, `imagenet12k` or
    /// `cifar10`. If you pass both `--labels` and `--arch`, the number of classes comes from the
    /// checkpoint, not from the architecture [default: from the weights, else class indices].
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    pub(crate) labels: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) preprocessing: PreprocessingFlags,
    /// Number of classes to show per image, most probable first [default: 5, or all above
    /// `--threshold`].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Output")]
    pub(crate) top_k: Option<usize>,
    /// Minimum probability of a class to show, 0 to 1, for multi-label networks [default: none].
    #[arg(long, value_name = "P", value_parser = probability, help_heading = "Output")]
    pub(crate) threshold: Option<f32>,
    /// Output activation, which turns logits into probabilities: `softmax` for one class per image,
    /// `sigmoid` for multi-label classification [default: from the weights, else softmax; sigmoid
    /// for a single logit].
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    pub(crate) activation: Option<OutputActivation>,
    #[command(flatten)]
    pub(crate) compile: CompileFlags,
    /// Images per batch.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = positive, help_heading = "Runtime")]
    pub(crate) batch_size: usize,
    /// Print one JSON object per image and line (JSON Lines) instead of a table.
    #[arg(long, conflicts_with = "csv", help_heading = "Output")]
    pub(crate) json: bool,
    /// Print CSV with a header instead of a table.
    #[arg(long, help_heading = "Output")]
    pub(crate) csv: bool,
}

#[derive(Debug, Args)]
#[command(mut_args(of_detection))]
pub(crate) struct Detect {
    /// Images, folders of images (searched recursively), or `-` for one image on standard input.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) network: NetworkFlags,
    /// Class names: a text file with one label per line, or `coco91` [default: from the weights, else
    /// class indices].
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    pub(crate) labels: Option<PathBuf>,
    /// Minimum score of an object, 0 to 1.
    #[arg(long, value_name = "P", default_value_t = 0.5, value_parser = probability, help_heading = "Output")]
    pub(crate) score: f32,
    /// Folder for drawings of the objects, one PNG per image.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) draw: Option<PathBuf>,
    /// Print one JSON object per image and line (JSON Lines) instead of a table. Masks are in COCO's
    /// run-length encoding.
    #[arg(long, conflicts_with_all = ["coco", "csv"], help_heading = "Output")]
    pub(crate) json: bool,
    /// Print one JSON array in COCO's result format instead of a table. The image id is the number
    /// in the file name if each image has a different one, else the position of the image.
    #[arg(long, conflicts_with = "csv", help_heading = "Output")]
    pub(crate) coco: bool,
    /// Print CSV with a header instead of a table.
    #[arg(long, help_heading = "Output")]
    pub(crate) csv: bool,
}

#[derive(Debug, Args)]
#[command(mut_args(of_segmentation))]
pub(crate) struct Segment {
    /// Images, folders of images (searched recursively), or `-` for one image on standard input.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) network: NetworkFlags,
    /// Class names: a text file with one label per line, or `voc21` [default: from the weights, else
    /// class indices].
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    pub(crate) labels: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) preprocessing: PreprocessingFlags,
    /// Folder for drawings of the classes with a legend, one PNG per image.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) draw: Option<PathBuf>,
    /// Folder for class maps: one PNG per image, with class indices and the palette of Pascal VOC.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) masks: Option<PathBuf>,
    /// Print one JSON object per image and line (JSON Lines) instead of a table.
    #[arg(long, conflicts_with = "coco", help_heading = "Output")]
    pub(crate) json: bool,
    /// Print one JSON array in COCO's result format instead of a table: the pixels of each class
    /// except the background. The image id is the number in the file name if each image has a
    /// different one, else the position of the image.
    #[arg(long, help_heading = "Output")]
    pub(crate) coco: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateAny {
    #[command(flatten)]
    pub(crate) classifier: Evaluate,
    /// Ground truth for a detector: an annotation file in COCO's format. DATA is then the folder of
    /// its images. Prints COCO's metrics of boxes, masks and keypoints. `--class-order`, `--labels`,
    /// `--activation` and `--batch-size` are for classifiers.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub(crate) annotations: Option<PathBuf>,
    /// Ground truth for a segmentation network: a folder with one PNG of class indices per image of
    /// DATA, with the name of the image. Index 255 is left out. Prints the IoU of each class.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "annotations",
        help_heading = "Input"
    )]
    pub(crate) masks: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Forward {
    #[command(flatten)]
    pub(crate) network: NetworkFlags,
    /// Safetensors file with a normalized tensor `input` of shape
    /// `[batch, channels, height, width]`; for a detector, images `input_0`, `input_1`, … of shape
    /// `[channels, height, width]` with values from 0 to 1.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub(crate) input: PathBuf,
    /// Safetensors file to write, with the tensors `embedding`, `c1` to `c5` (feature maps), and
    /// `logits` if the network has a classifier. A segmentation network writes `out` and `aux`, a
    /// detector `boxes_0`, `labels_0`, `scores_0`, `masks_0`, `keypoints_0` and `keypoint_scores_0`
    /// for the first image.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: PathBuf,
    /// Output stride: the ratio of input size to the size of the last feature map, 8, 16 or 32.
    /// Stages beyond it use dilated convolutions [default: from the network].
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub(crate) output_stride: Option<usize>,
    /// Fuse the network first, as `classify` does: fold batch normalization into the convolutions.
    /// The backend `cpu` then runs the compiled network.
    #[arg(long, help_heading = "Model")]
    pub(crate) fuse: bool,
}

#[derive(Debug, Args)]
#[command(mut_args(without_weights))]
pub(crate) struct Preprocess {
    /// Image file.
    pub(crate) image: PathBuf,
    /// PNG file to write.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) preprocessing: PreprocessingFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Models {
    /// Names to list, with the wildcards `*` and `?` [default: all].
    pub(crate) glob: Option<String>,
    /// Print a JSON array instead of a table.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Checkpoint file, or model folder of Hugging Face transformers or timm.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) options: ModelFlags,
    /// Print a JSON object that lists every tensor instead of a summary.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Backends {
    /// Print a JSON array instead of a table.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Architectures, from `resnet-infer models` [default: resnet18, resnet50, resnext50_32x4d,
    /// wide_resnet50_2 and resnet50d].
    #[arg(value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    #[command(flatten)]
    pub(crate) runtime: RuntimeFlags,
    /// Checkpoint to load; its load time is measured [default: synthetic weights in memory].
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    pub(crate) weights: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: ModelFlags,
    /// Images per batch, one or more values.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1", value_parser = positive, help_heading = "Runtime")]
    pub(crate) batch_size: Vec<usize>,
    /// Height and width of the input images in pixels [default: 224, for segmentation 520, for
    /// detection 800x1066].
    #[arg(long, value_name = "N|HxW", help_heading = "Input")]
    pub(crate) size: Option<ImageSize>,
    /// Fuse the network first, as `classify` does: fold batch normalization into the convolutions.
    /// The backend `cpu` then runs the compiled network.
    #[arg(long, help_heading = "Model")]
    pub(crate) fuse: bool,
    #[command(flatten)]
    pub(crate) compile: CompileFlags,
    /// Number of timed runs.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = positive, help_heading = "Runtime")]
    pub(crate) runs: usize,
    /// Number of warm-up runs after the first run, which is timed separately.
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Runtime")]
    pub(crate) warmup: usize,
    /// Print one JSON object per line (JSON Lines) instead of a table.
    #[arg(long, conflicts_with = "markdown", help_heading = "Output")]
    pub(crate) json: bool,
    /// Print a Markdown table.
    #[arg(long, help_heading = "Output")]
    pub(crate) markdown: bool,
}

/// Height and width of images in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageSize(pub(crate) [usize; 2]);

impl FromStr for ImageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (height, width) = text.split_once('x').unwrap_or((text, text));
        match (positive(height), positive(width)) {
            (Ok(height), Ok(width)) => Ok(Self([height, width])),
            _ => Err("expected pixels, such as 224 or 800x1066 (height x width)".into()),
        }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [height, width] = self.0;
        write!(f, "{height}x{width}")
    }
}

fn probability(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|p| (0.0..=1.0).contains(p));
    number.ok_or_else(|| "expected a probability, 0 to 1".into())
}

/// Replaces the help of the flags that segmentation uses differently.
fn of_segmentation(arg: Arg) -> Arg {
    let help = match arg.get_id().as_str() {
        "resize" => {
            "Length of the shorter side after resizing, in pixels, or `none` [default: from the \
             weights, else 520]"
        }
        "crop" => "Only `none`: segmentation finds the class of every pixel",
        "dtype" => "Float type of weights and activations: only `f32`",
        _ => return arg,
    };
    arg.help(help)
}

/// Replaces the help of the flags that detection uses differently.
fn of_detection(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "dtype" => arg.help("Float type of weights and activations: only `f32`"),
        _ => arg,
    }
}

/// Replaces the help of the preprocessing flags for a command that loads no weights.
fn without_weights(arg: Arg) -> Arg {
    let help = match arg.get_id().as_str() {
        "resize" => {
            "Length of the shorter side after resizing, in pixels, or `none` [default: 256]"
        }
        "crop" => "Side of the square center crop in pixels, or `none` [default: 224]",
        "filter" => "Interpolation of the resize: `bilinear` or `bicubic` [default: bilinear]",
        "mean" => {
            "Mean of each channel on a scale of 0 to 1: 3 values for RGB images, 1 for grayscale, \
             4 for RGBA [default: ImageNet's 0.485,0.456,0.406]"
        }
        "std" => {
            "Standard deviation of each channel on a scale of 0 to 1, one value for each mean \
             [default: ImageNet's 0.229,0.224,0.225]"
        }
        _ => return arg,
    };
    arg.help(help)
}
