//! The ranges of activations on example images.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use resnet_kernels::int8::Quantization;

use super::histogram::{Histogram, quantization};
use crate::{Batch, Engine, Outputs, RunError, Session};

/// How the range of an activation follows from its values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum CalibrationMethod {
    /// The least and the largest value.
    MinMax,
    /// The range without the values beyond a percentile, such as 99.99.
    Percentile(f64),
    /// The range whose integers have the least mean squared error.
    #[default]
    Mse,
}

/// Collects the values of a network's activations.
///
/// ```
/// use resnet_core::Arch;
/// use resnet_engine::{Batch, CalibrationMethod, Calibrator, Engine, Precision};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let state_dict = |_: &str, shape: &[usize]| Ok::<_, std::io::Error>(vec![0.5; shape.iter().product()]);
/// let engine = Engine::compile(&Arch::TestResNet.config(), state_dict, Precision::F32)?;
/// let mut calibrator = Calibrator::new(&engine);
/// let pixels = vec![0.1; 3 * 64 * 64];
/// calibrator.observe(Batch::channels_first(&pixels, [1, 3, 64, 64]))?;
/// let calibration = calibrator.finish(CalibrationMethod::Mse);
/// assert!(calibration.activations.contains_key("layer1.0.conv1"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Calibrator {
    session: Session,
    outputs: Outputs,
    histograms: BTreeMap<String, Histogram>,
    means: BTreeMap<String, Mean>,
}

/// The mean of each channel.
#[derive(Debug)]
struct Mean {
    sums: Vec<f64>,
    pixels: f64,
}

/// The result of a calibration.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Scale and zero point of every activation that may be one of integers.
    pub activations: BTreeMap<String, Quantization>,
    /// Mean of each channel of every activation.
    pub means: BTreeMap<String, Vec<f32>>,
}

impl Calibrator {
    /// Creates a calibrator for an engine in `f32`.
    pub fn new(engine: &Engine) -> Self {
        let names = engine.graph().integers(|_| true);
        let histograms = names
            .into_iter()
            .map(|name| (name.to_string(), Histogram::new()));
        Self {
            histograms: histograms.collect(),
            means: BTreeMap::new(),
            outputs: engine.graph().last_output(),
            session: Session::observer(engine.clone()),
        }
    }

    /// Adds the values of a batch of normalized images.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Session::run`], and an error if an activation is not finite.
    pub fn observe(&mut self, batch: Batch<'_>) -> Result<(), RunError> {
        let mut infinite = None;
        let (histograms, means) = (&mut self.histograms, &mut self.means);
        self.session
            .observe(batch, self.outputs, |name, dims, values| {
                let channels = dims[1];
                let mean = means.entry(name.to_string()).or_insert_with(|| Mean {
                    sums: vec![0.0; channels],
                    pixels: 0.0,
                });
                for pixel in values.chunks_exact(channels) {
                    let sums = mean.sums.iter_mut().zip(pixel);
                    sums.for_each(|(sum, value)| *sum += f64::from(*value));
                }
                mean.pixels += (values.len() / channels) as f64;
                let finite = match histograms.get_mut(name) {
                    Some(histogram) => histogram.add(values),
                    None => true,
                };
                if !finite && infinite.is_none() {
                    infinite = Some(name.to_string());
                }
            })?;
        match infinite {
            Some(name) => Err(RunError::NotFinite { name }),
            None => Ok(()),
        }
    }

    /// Returns the quantization of the activations.
    pub fn finish(&self, method: CalibrationMethod) -> Calibration {
        let activations = self.histograms.iter().map(|(name, histogram)| {
            let range = match method {
                CalibrationMethod::MinMax => histogram.extremes(),
                CalibrationMethod::Percentile(percent) => histogram.percentile(percent),
                CalibrationMethod::Mse => histogram.least_error(),
            };
            (name.clone(), quantization(range))
        });
        let means = self.means.iter().map(|(name, Mean { sums, pixels })| {
            let means = sums.iter().map(|sum| (sum / pixels) as f32);
            (name.clone(), means.collect())
        });
        Calibration {
            activations: activations.collect(),
            means: means.collect(),
        }
    }
}
