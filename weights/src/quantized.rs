//! Quantized networks in files.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Element, TensorData};
use resnet_core::ResNetConfig;
use resnet_engine::{
    Calibration, CompileError, CompileOptions, Engine, Quantization, QuantizedLayer,
    QuantizedNetwork, Sums,
};
use serde::{Deserialize, Serialize};

use crate::apply::{LoadError, Report};
use crate::{Checkpoint, ReadError, Resolved, SourceError, Weights};

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
    /// Quantizes the network. Layers for which `is_int8` is false keep their numbers.
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
    /// Returns how the network was quantized, or `None` if it was not.
    pub fn quantization(&self) -> Option<&QuantizationInfo> {
        self.metadata().quantization.as_ref()
    }

    /// Compiles a quantized network.
    pub(crate) fn compile_quantized(
        &self,
        config: &ResNetConfig,
        info: &QuantizationInfo,
        options: CompileOptions,
    ) -> Result<(Engine, Report), LoadError> {
        let network = self.quantized(config, info)?;
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

    fn quantized(
        &self,
        config: &ResNetConfig,
        info: &QuantizationInfo,
    ) -> Result<QuantizedNetwork, LoadError> {
        let entries: BTreeMap<&str, _> = self.all().map(|entry| (entry.key(), entry)).collect();
        let shape_error = |key: &str, expected: &[usize], found: &[usize]| LoadError::Compile {
            file: self.name().to_string(),
            cause: format!("`{key}`: expected shape {expected:?}, found {found:?}"),
        };
        let (mut layers, mut tensors) = (BTreeMap::new(), BTreeMap::new());
        for (key, shape) in config.state_shapes() {
            // The norms of quantized layers are folded.
            let Some(entry) = entries.get(key.as_str()) else {
                continue;
            };
            if entry.shape() != shape {
                return Err(shape_error(&key, &shape, entry.shape()));
            }
            let layer = key.strip_suffix(".weight");
            let layer = layer.filter(|_| entry.dtype() == crate::Dtype::I8);
            let Some(layer) = layer else {
                let is_bias = key
                    .strip_suffix(".bias")
                    .is_some_and(|layer| layers.contains_key(layer));
                if !is_bias {
                    tensors.insert(key.clone(), self.values(&key)?);
                }
                continue;
            };
            let weight = self.read_entry(entry)?;
            let quantized = QuantizedLayer {
                weight: self.integers(&key, weight)?,
                scale: self.values(&format!("{layer}.weight_scale"))?,
                bias: self.values(&format!("{layer}.bias"))?,
            };
            layers.insert(layer.to_string(), quantized);
        }
        let activations = info.activations.iter();
        let activations = activations.map(|(name, (scale, zero_point))| {
            let (scale, zero_point) = (*scale, *zero_point);
            (name.clone(), Quantization { scale, zero_point })
        });
        Ok(QuantizedNetwork {
            config: config.clone(),
            sums: Sums::Fused,
            layers,
            activations: activations.collect(),
            tensors,
        })
    }

    fn integers<T: Element>(&self, key: &str, data: TensorData) -> Result<Vec<T>, ReadError> {
        data.into_vec()
            .map_err(|error| ReadError::damaged_tensor(self.name(), key, format!("{error:?}")))
    }

    fn values(&self, key: &str) -> Result<Vec<f32>, ReadError> {
        let entry = self.all().find(|entry| entry.key() == key);
        let entry = entry.ok_or_else(|| self.missing(key))?;
        let data = self.read_entry(entry)?.convert::<f32>();
        self.integers(key, data)
    }
}

impl crate::Save {
    /// Writes a quantized network as safetensors.
    ///
    /// The tensors are `KEY.weight` (`i8`), `KEY.weight_scale` and `KEY.bias` of each quantized layer,
    /// with its batch norm folded, and the tensors of all other layers with PyTorch's keys. The
    /// metadata have the config, and the scales of the activations.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn quantized(
        &self,
        network: &QuantizedNetwork,
        info: &QuantizationInfo,
        path: impl AsRef<Path>,
    ) -> Result<(), crate::SaveError> {
        self.write_quantized(network, info, path.as_ref())
    }
}
