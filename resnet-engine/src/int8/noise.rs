//! The error of each quantized layer.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use resnet_kernels::conv::Residual;
use resnet_kernels::int8::{Int8Output, Quantization, quantize};
use resnet_kernels::layout::{Border, Map};
use resnet_kernels::sizes::Dims;

use super::QuantizedNetwork;
use crate::graph::{Graph, INPUT, LayerSpec, Node, Op, ValueType};
use crate::layers::{Finish, Int8Layer, Types};
use crate::{Batch, CompileError, Engine, MissingTensor, Outputs, RunError, Session};

/// The signal-to-noise ratio of a quantized layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNoise {
    /// Key of the layer.
    pub key: String,
    /// `10 * log10(sum y^2 / sum (y' - y)^2)` of the layer's outputs in decibels, if only the
    /// layer's weight and input are quantized.
    pub sqnr: f64,
}

/// Measures the error that each layer of a quantized network adds.
#[derive(Debug)]
pub struct NoiseMeter {
    session: Session,
    outputs: Outputs,
    /// The probe of each layer with integers.
    probes: Vec<Option<Probe>>,
}

/// A layer with integers whose input and output are floats.
struct Probe {
    layer: Int8Layer,
    input: Quantization,
    signal: f64,
    noise: f64,
}

impl core::fmt::Debug for Probe {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl NoiseMeter {
    /// Creates a meter for the network in `f32` and the quantized network.
    ///
    /// # Errors
    ///
    /// Returns an error if the networks differ.
    pub fn new(
        engine: &Engine,
        network: &QuantizedNetwork,
    ) -> Result<Self, CompileError<MissingTensor>> {
        let graph = engine.graph();
        let mut probes = Vec::with_capacity(graph.layers.len());
        for (index, spec) in graph.layers.iter().enumerate() {
            let Some(layer) = network.layers.get(spec.key()) else {
                probes.push(None);
                continue;
            };
            // Max pools and zero padding keep the integers of their input.
            let input = graph.input_name(index).and_then(|name| {
                let kept = |end: &str| network.activations.get(name.strip_suffix(end)?);
                let of_name = network.activations.get(name);
                of_name
                    .or_else(|| kept(".pool"))
                    .or_else(|| kept(".zero_pad"))
            });
            let input = *input.ok_or_else(|| CompileError::NoScale {
                name: spec.key().to_string(),
            })?;
            let types = Types {
                input,
                residual: None,
                output: ValueType::F32,
            };
            let relu = matches!(spec, LayerSpec::Conv { relu: true, .. });
            let layer = Int8Layer::new(spec.key(), spec.conv_plan(), layer, &types, relu)?;
            probes.push(Some(Probe {
                layer,
                input,
                signal: 0.0,
                noise: 0.0,
            }));
        }
        Ok(Self {
            session: Session::observer(engine.clone()),
            outputs: graph.last_output(),
            probes,
        })
    }

    /// Adds the errors on a batch of normalized images.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Session::run`].
    pub fn observe(&mut self, batch: Batch<'_>) -> Result<(), RunError> {
        let engine = self.session.engine().clone();
        let graph = engine.graph();
        let probes = &mut self.probes;
        self.session
            .run_steps(batch, self.outputs, |plan, step, arena| {
                let Node { op, input, output } = &graph.nodes[step.node];
                let (layer, residual) = match op {
                    Op::Conv { layer, residual } => (*layer, *residual),
                    Op::Linear { layer, .. } => (*layer, None),
                    _ => return,
                };
                let Some(probe) = &mut probes[layer] else {
                    return;
                };
                let values = |value: usize| -> &[f32] {
                    bytemuck::cast_slice(&arena[plan.places[value].clone()])
                };
                let x = match *input {
                    INPUT => batch.values,
                    input => Map::ChannelsLast(values(input)),
                };
                let residual = match residual {
                    Some(value) => Residual::Of(values(value)),
                    None => Residual::None,
                };
                probe.compare(x, plan.dims[*input], residual, values(*output));
            })
    }

    /// Returns the ratio of each layer, the worst first.
    pub fn finish(&self) -> Vec<LayerNoise> {
        let specs = &self.session.engine().graph().layers;
        let of_layers = self.probes.iter().zip(specs).filter_map(|(probe, spec)| {
            let Probe { signal, noise, .. } = probe.as_ref()?;
            Some(LayerNoise {
                key: spec.key().to_string(),
                // A layer without noise, such as one whose outputs are all 0, loses nothing.
                sqnr: match *noise == 0.0 {
                    true => f64::INFINITY,
                    false => 10.0 * libm::log10(signal / noise),
                },
            })
        });
        let mut all: Vec<_> = of_layers.collect();
        all.sort_by(|a, b| a.sqnr.total_cmp(&b.sqnr));
        all
    }
}

impl Probe {
    /// Adds the difference of the layer's outputs to `expected`.
    fn compare(&mut self, x: Map<'_>, dims: Dims, residual: Residual<'_>, expected: &[f32]) {
        let (Some(conv), Finish::Floats(dequantize)) = (self.layer.conv(dims), &self.layer.finish)
        else {
            return;
        };
        let mut integers = vec![0; dims.iter().product()];
        quantize(x, dims, Border::default(), self.input, &mut integers);
        let mut padded = vec![0; conv.input_len()];
        conv.pad_into(&integers, self.input.zero_point, &mut padded);
        let mut out = vec![0.0; expected.len()];
        let output = Int8Output::Floats {
            dequantize,
            residual,
            out: &mut out,
        };
        conv.run_into(&padded, &self.layer.weights, output);
        for (found, expected) in out.into_iter().zip(expected) {
            let (error, expected) = (f64::from(found - expected), f64::from(*expected));
            self.signal += expected * expected;
            self.noise += error * error;
        }
    }
}

impl Graph {
    /// Returns the last output: the logits, or the embedding of a network without a classifier.
    pub(super) fn last_output(&self) -> Outputs {
        match self.logits {
            Some(_) => Outputs::LOGITS,
            None => Outputs::EMBEDDING,
        }
    }
}
