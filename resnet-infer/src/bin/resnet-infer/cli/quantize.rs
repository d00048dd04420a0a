//! The flags of `quantize`.

use std::path::PathBuf;

use clap::Args;
use resnet_cli::{NetworkFlags, PreprocessingFlags, positive};
use resnet_engine::CalibrationMethod;

#[derive(Debug, Args)]
pub(crate) struct Quantize {
    #[command(flatten)]
    pub(crate) network: NetworkFlags,
    /// Example images without labels: files or folders (searched recursively). Pass 100 to 500 typical
    /// images of your application.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH", help_heading = "Input")]
    pub(crate) calibrate: Vec<PathBuf>,
    /// Number of example images to use, spread over those found.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = positive, help_heading = "Input")]
    pub(crate) images: usize,
    /// Labeled images to compare the accuracy on, as for `evaluate`.
    #[arg(long, value_name = "DATA", help_heading = "Input")]
    pub(crate) evaluate: Option<PathBuf>,
    /// Class names: a text file with one label per line, or `imagenet1k`, `imagenet12k` or
    /// `cifar10` [default: from the weights].
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    pub(crate) labels: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) preprocessing: PreprocessingFlags,
    /// Range of each activation. `mse`: the least mean squared error; `min-max`: all values;
    /// `percentile:P`: all but the values beyond the percentile P on each side, such as
    /// `percentile:99.99`.
    #[arg(long, value_name = "METHOD", default_value = "mse", value_parser = calibration, help_heading = "Quantization")]
    pub(crate) method: Calibration,
    /// Layers that stay in floats: keys, such as `conv1` or `layer4.2.conv3`.
    #[arg(
        long,
        value_name = "KEY,…",
        value_delimiter = ',',
        help_heading = "Quantization"
    )]
    pub(crate) float_layers: Vec<String>,
    /// Keep each layer in floats that is slower with integers on this machine. Processors without
    /// VNNI compute some 3x3 convolutions faster in floats.
    #[arg(long, help_heading = "Quantization")]
    pub(crate) fastest: bool,
    /// Largest accepted loss of top-1 accuracy on `--evaluate`, in percentage points. The layers
    /// with the largest error stay in floats until the loss is accepted [default: any].
    #[arg(long, value_name = "POINTS", requires = "evaluate", value_parser = points, help_heading = "Quantization")]
    pub(crate) max_loss: Option<f64>,
    /// File to write: `.safetensors`.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: PathBuf,
    /// Print a JSON object instead of a table.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

/// A calibration method with its name.
#[derive(Clone, Debug)]
pub(crate) struct Calibration {
    pub(crate) name: String,
    pub(crate) method: CalibrationMethod,
}

fn calibration(text: &str) -> Result<Calibration, String> {
    let percentile = |text: &str| {
        let percent = text.strip_prefix("percentile:")?.parse().ok()?;
        (50.0..=100.0).contains(&percent).then_some(percent)
    };
    let method = match text {
        "mse" => CalibrationMethod::Mse,
        "min-max" => CalibrationMethod::MinMax,
        _ => match percentile(text) {
            Some(percent) => CalibrationMethod::Percentile(percent),
            None => {
                return Err(
                    "expected `mse`, `min-max` or `percentile:P` with P from 50 to 100".into(),
                );
            }
        },
    };
    let name = text.to_string();
    Ok(Calibration { name, method })
}

fn points(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(points) if (0.0..=100.0).contains(&points) => Ok(points),
        _ => Err("expected percentage points from 0 to 100".into()),
    }
}
