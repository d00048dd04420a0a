//! Quantized networks in files.

use std::collections::BTreeMap;

use burn::tensor::{Element, TensorData};
use resnet_core::ResNetConfig;
use resnet_engine::{
    Calibration, CompileError, CompileOptions, Engine, Quantization, QuantizedLayer,
    QuantizedNetwork, Sums,
};
use serde::{Deserialize, Serialize};

use crate::apply::{LoadError, Report};
use crate::layout::WEIGHT_SCALE;
use crate::{Checkpoint, Dtype, ReadError, Resolved, SourceError, Weights};

/// The version of the layout that this crate writes and reads.
const VERSION: u32 = 1;

/// How a quantized network came about. Files of [`Save::quantized`](crate::Save::quantized) have it
/// in their metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantizationInfo {
    version: u32,
    /// The scheme, for readers of the file.
    scheme: String,
    /// The calibration method, such as `mse`.
    pub calibration: String,
    /// Number of images of the calibration.
    pub images: usize,
    /// Id of the published weights that were quantized.
    pub weights: Option<String>,
    /// License of these weights.
    pub license: Option<String>,
    /// Scale and zero point of each activation.
    activations: BTreeMap<String, (f32, u8)>,
}

impl QuantizationInfo {
    /// Describes a network that was calibrated on a number of images.
    pub fn new(
        network: &QuantizedNetwork,
        calibration: impl Into<String>,
        images: usize,
        weights: Option<&Weights>,
    ) -> Self {
        let activations = network.activations.iter();
        Self {
            version: VERSION,
            scheme: "weights: i8, symmetric, a scale for each output channel; activations: u8, a \
                     scale and a zero point for each map; fused residuals"
                .into(),
            calibration: calibration.into(),
            images,
            weights: weights.map(|weights| weights.id.clone()),
            license: weights.map(|weights| weights.license.to_string()),
            activations: activations
                .map(|(name, q)| (name.clone(), (q.scale, q.zero_point)))
                .collect(),
        }
    }

    /// Returns a warning for the user if the license restricts the use of the weights.
    pub(crate) fn restriction(&self) -> Option<String> {
        let (id, license) = (self.weights.as_ref()?, self.license.as_ref()?);
        match Weights::named(id) {
            Ok(weights) => weights.restriction(),
            // The catalog of another version.
            Err(_) => Some(format!(
                "`{id}`: these weights have the license `{license}`"
            )),
        }
    }

    /// Checks a file's values.
    ///
    /// # Errors
    ///
    /// Returns the reason if the version is unknown.
    pub(crate) fn validate(&self) -> Result<(), String> {
        match self.version {
            VERSION => Ok(()),
            found => Err(format!(
                "expected version {VERSION}, found {found}; update the program"
            )),
        }
    }
}

/// Returns the tensors of a quantized network with their keys.
pub(crate) fn tensors(network: &QuantizedNetwork) -> Vec<(String, TensorData)> {
    let shapes = network.config.state_shapes();
    let mut tensors = Vec::new();
    for (key, shape) in &shapes {
        let layer = key
            .strip_suffix(".weight")
            .and_then(|layer| Some((layer, network.layers.get(layer)?)));
        match (layer, network.tensors.get(key)) {
            (Some((name, layer)), _) => {
                let outputs = vec![layer.scale.len()];
                let weight = TensorData::new(layer.weight.clone(), shape.clone());
                let scale = TensorData::new(layer.scale.clone(), outputs.clone());
                let bias = TensorData::new(layer.bias.clone(), outputs);
                tensors.push((key.clone(), weight));
                tensors.push((format!("{name}.weight_scale"), scale));
                tensors.push((format!("{name}.bias"), bias));
            }
            (None, Some(values)) => {
                tensors.push((key.clone(), TensorData::new(values.clone(), shape.clone())));
            }
            (None, None) => {}
        }
    }
    tensors
}

impl Resolved {
    /// Quantizes the network. Layers for which `is_int8` is false stay in floats.
    ///
    /// # Errors
    ///
    /// Returns an error if the weights do not fit the network, or the calibration is of another
    /// network.
    pub fn quantize(
        &self,
        calibration: &Calibration,
        is_int8: impl Fn(&str) -> bool,
    ) -> Result<QuantizedNetwork, SourceError> {
        let load = self.strictness();
        Ok(load
            .with_values(&self.config, &self.checkpoint, |read| {
                QuantizedNetwork::new(&self.config, read, calibration, is_int8)
            })?
            .0)
    }
}

impl Checkpoint {
    /// Returns how this crate quantized the network, or `None` if it did not.
    pub fn quantization(&self) -> Option<&QuantizationInfo> {
        self.metadata().quantization.as_ref()
    }

    /// Returns whether the weights are integers: of this crate, or of PyTorch's quantized networks.
    pub fn is_quantized(&self) -> bool {
        self.quantization().is_some()
            || self
                .entries()
                .any(|entry| entry.key().ends_with(WEIGHT_SCALE))
    }

    /// Compiles a quantized network.
    pub(crate) fn compile_quantized(
        &self,
        config: &ResNetConfig,
        options: CompileOptions,
    ) -> Result<(Engine, Report), LoadError> {
        let network = self.quantized(config)?;
        let report = Report {
            loaded: self.all().count(),
            ..Report::default()
        };
        let engine = Engine::compile_quantized(network, options);
        let engine = engine.map_err(|error| LoadError::Compile {
            file: self.name().to_string(),
            cause: match error {
                CompileError::StateDict { key, .. } => {
                    format!("expected `{key}`, found no such tensor")
                }
                error => error.to_string(),
            },
        })?;
        Ok((engine, report))
    }

    fn quantized(&self, config: &ResNetConfig) -> Result<QuantizedNetwork, LoadError> {
        let wrong = |cause: String| LoadError::Compile {
            file: self.name().to_string(),
            cause,
        };
        let (mut layers, mut tensors) = (BTreeMap::new(), BTreeMap::new());
        for (key, shape) in config.state_shapes() {
            // The norms of quantized layers are folded.
            let Some(entry) = self.get(&key) else {
                continue;
            };
            if entry.shape() != shape {
                let found = entry.shape();
                return Err(wrong(format!(
                    "`{key}`: expected shape {shape:?}, found {found:?}"
                )));
            }
            let layer = key.strip_suffix(".weight");
            if let Some(layer) = layer.filter(|_| entry.dtype() == Dtype::I8) {
                let zero_points = format!("{key}_zero_point");
                if self.get(&zero_points).is_some()
                    && self.values(&zero_points)?.iter().any(|zero| *zero != 0.0)
                {
                    return Err(wrong(format!(
                        "`{zero_points}`: expected symmetric weights, found others"
                    )));
                }
                let scale = self.values(&format!("{key}_scale"))?;
                let quantized = QuantizedLayer {
                    weight: self.elements(&key, self.read(&key)?)?,
                    // One scale may be for all channels.
                    scale: match scale[..] {
                        [one] => vec![one; shape[0]],
                        _ => scale,
                    },
                    bias: match self.get(&format!("{layer}.bias")) {
                        Some(_) => self.values(&format!("{layer}.bias"))?,
                        None => vec![0.0; shape[0]],
                    },
                };
                layers.insert(layer.to_string(), quantized);
                continue;
            }
            let layer = key.strip_suffix(".bias");
            if !layer.is_some_and(|layer| layers.contains_key(layer)) {
                tensors.insert(key.clone(), self.values(&key)?);
            }
        }
        // A file of a larger network has all tensors of this one.
        let headless = config.num_classes == 0;
        let is_unused = |key: &str| {
            if headless && key == "fc.weight" {
                return false;
            }
            let layer = key.strip_suffix(".weight");
            layer.is_some_and(|layer| !layers.contains_key(layer) && !tensors.contains_key(key))
        };
        if let Some(entry) = self.entries().find(|entry| is_unused(entry.key())) {
            let key = entry.key();
            return Err(wrong(format!(
                "unexpected `{key}`, as in a file of another network"
            )));
        }
        Ok(QuantizedNetwork {
            config: config.clone(),
            sums: match self.quantization() {
                Some(_) => Sums::Fused,
                None => Sums::Separate,
            },
            layers,
            activations: self.activations()?,
            tensors,
        })
    }

    /// Returns the scales of the activations: in the metadata, or in tensors for PyTorch's networks.
    fn activations(&self) -> Result<BTreeMap<String, Quantization>, LoadError> {
        if let Some(info) = self.quantization() {
            let activations = info.activations.iter();
            let activations = activations.map(|(name, (scale, zero_point))| {
                let (scale, zero_point) = (*scale, *zero_point);
                (name.clone(), Quantization { scale, zero_point })
            });
            return Ok(activations.collect());
        }
        let mut activations = BTreeMap::new();
        for entry in self.entries() {
            let Some(name) = entry.key().strip_suffix(".scale") else {
                continue;
            };
            let key = format!("{name}.zero_point");
            let [scale, zero] = [self.values(entry.key())?, self.values(&key)?];
            let ([scale], [zero]) = (&scale[..], &zero[..]) else {
                let damaged = ReadError::damaged_tensor(self.name(), &key, "expected one value");
                return Err(damaged.into());
            };
            if !(0.0..=255.0).contains(zero) {
                let cause = format!("expected a value from 0 to 255, found {zero}");
                return Err(ReadError::damaged_tensor(self.name(), &key, cause).into());
            }
            let quantization = Quantization {
                scale: *scale,
                zero_point: *zero as u8,
            };
            activations.insert(name.to_string(), quantization);
        }
        Ok(activations)
    }

    fn elements<T: Element>(&self, key: &str, data: TensorData) -> Result<Vec<T>, ReadError> {
        data.into_vec()
            .map_err(|error| ReadError::damaged_tensor(self.name(), key, format!("{error:?}")))
    }

    fn values(&self, key: &str) -> Result<Vec<f32>, ReadError> {
        let data = self.read(key)?.convert::<f32>();
        self.elements(key, data)
    }
}
