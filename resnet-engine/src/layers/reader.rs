//! Reads the parameters of layers.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use half::{bf16, f16};
use resnet_core::{ConvPlan, NormKind};
use resnet_kernels::conv::{Conv, Epilogue};
use resnet_kernels::norm::{Affine, GroupNorm};

use super::{ConvLayer, Layer, StateDict};
use crate::graph::LayerSpec;
use crate::{CompileError, Precision};

/// A weight and its bias.
pub(crate) type Folded = (Vec<f32>, Option<Vec<f32>>);

/// Reads the parameters of layers.
pub(crate) struct Reader<'a, S> {
    pub(crate) state: &'a mut S,
    pub(crate) epsilon: f64,
    pub(crate) precision: Precision,
}

impl<S: StateDict> Reader<'_, S> {
    /// Reads a layer. `chosen` is the convolution whose algorithm the weights are packed for.
    pub(crate) fn layer(
        &mut self,
        spec: &LayerSpec,
        chosen: Option<Conv>,
    ) -> Result<Layer, CompileError<S::Error>> {
        match spec {
            LayerSpec::Conv { key, conv, .. } => {
                let memory = || CompileError::Memory { key: key.clone() };
                self.conv(spec, *conv, chosen.ok_or_else(memory)?)
            }
            LayerSpec::Linear { .. } => {
                let (weight, bias) = self.folded(spec)?;
                let bias = bias.expect("a linear layer has a bias");
                Ok(Layer::Linear { weight, bias })
            }
            LayerSpec::Norm {
                key,
                kind,
                channels,
            } => self.norm(key, *kind, *channels),
            LayerSpec::ChannelConv { key, length } => {
                let key = format!("{key}.weight");
                Ok(Layer::ChannelConv(self.read(&key, &[1, 1, *length])?))
            }
        }
    }

    fn conv(
        &mut self,
        spec: &LayerSpec,
        plan: ConvPlan,
        conv: Conv,
    ) -> Result<Layer, CompileError<S::Error>> {
        let LayerSpec::Conv { relu, .. } = spec else {
            unreachable!("called for convolutions only");
        };
        let (weight, shift) = self.folded(spec)?;
        let (conv, weights) = match conv.pack(&weight) {
            Some(weights) => (conv, weights),
            // Winograd's algorithm does not support infinities.
            None => {
                let direct = Conv::direct(conv.geometry().clone());
                let weights = direct.pack(&weight).expect("supports all values");
                (direct, weights)
            }
        };
        Ok(Layer::Conv(ConvLayer {
            plan,
            algorithm: conv.algorithm(),
            weights,
            epilogue: Epilogue::new(None, shift.as_deref(), *relu, plan.channels[1]),
        }))
    }

    /// Reads the weight and the bias of a convolution or a linear layer, with its norm folded.
    pub(crate) fn folded(&mut self, spec: &LayerSpec) -> Result<Folded, CompileError<S::Error>> {
        match spec {
            LayerSpec::Conv {
                key, conv, norm, ..
            } => {
                let [inputs, outputs] = conv.channels;
                let shape = [outputs, inputs / conv.groups, conv.kernel, conv.kernel];
                let mut weight = self.weight(&format!("{key}.weight"), &shape)?;
                let Some(norm) = norm else {
                    return Ok((weight, None));
                };
                let [scale, bias] = self.scale_and_shift(norm, outputs)?;
                let depth = weight.len() / outputs;
                for (weight, scale) in weight.chunks_exact_mut(depth).zip(&scale) {
                    weight.iter_mut().for_each(|weight| *weight *= scale);
                }
                Ok((weight, Some(bias)))
            }
            LayerSpec::Linear {
                key,
                channels: [inputs, outputs],
                conv,
            } => {
                let axes = if *conv { 4 } else { 2 };
                let shape = [*outputs, *inputs, 1, 1];
                let weight = self.weight(&format!("{key}.weight"), &shape[..axes])?;
                Ok((
                    weight,
                    Some(self.read(&format!("{key}.bias"), &[*outputs])?),
                ))
            }
            _ => unreachable!("called for layers with a weight only"),
        }
    }

    /// Reads a weight and rounds it to the precision.
    fn weight(&mut self, key: &str, shape: &[usize]) -> Result<Vec<f32>, CompileError<S::Error>> {
        let mut weight = self.read(key, shape)?;
        match self.precision {
            Precision::F32 => {}
            Precision::F16 => round(&mut weight, |value| f16::from_f32(value).to_f32()),
            Precision::BF16 => round(&mut weight, |value| bf16::from_f32(value).to_f32()),
        }
        Ok(weight)
    }

    fn norm(
        &mut self,
        key: &str,
        kind: NormKind,
        channels: usize,
    ) -> Result<Layer, CompileError<S::Error>> {
        let groups = match kind {
            NormKind::Batch | NormKind::Frozen => {
                let [scale, shift] = self.scale_and_shift(key, channels)?;
                return Ok(Layer::Affine(Affine::new(&scale, &shift)));
            }
            NormKind::Group { groups } => groups,
            NormKind::Instance | NormKind::BatchStats => channels,
        };
        let norm = GroupNorm {
            groups,
            epsilon: self.epsilon as f32,
            weight: self.read(&format!("{key}.weight"), &[channels])?,
            bias: self.read(&format!("{key}.bias"), &[channels])?,
        };
        Ok(match kind {
            NormKind::BatchStats => Layer::BatchStats(norm),
            _ => Layer::Group(norm),
        })
    }

    /// Returns scale and shift of a batch norm with running statistics.
    fn scale_and_shift(
        &mut self,
        key: &str,
        channels: usize,
    ) -> Result<[Vec<f32>; 2], CompileError<S::Error>> {
        let mut read = |name: &str| self.read(&format!("{key}.{name}"), &[channels]);
        let (weight, bias) = (read("weight")?, read("bias")?);
        let (mean, var) = (read("running_mean")?, read("running_var")?);
        let epsilon = self.epsilon as f32;
        let scale: Vec<f32> = weight
            .iter()
            .zip(&var)
            .map(|(weight, var)| weight / libm::sqrtf(var + epsilon))
            .collect();
        let shift = bias.iter().zip(&mean).zip(&scale);
        let shift = shift.map(|((bias, mean), scale)| bias - mean * scale);
        let shift = shift.collect();
        Ok([scale, shift])
    }

    fn read(&mut self, key: &str, shape: &[usize]) -> Result<Vec<f32>, CompileError<S::Error>> {
        let values = self.state.read(key, shape);
        let values = values.map_err(|source| CompileError::StateDict {
            key: key.to_owned(),
            source,
        })?;
        let expected = shape.iter().product();
        match values.len() {
            found if found == expected => Ok(values),
            found => Err(CompileError::Length {
                key: String::from(key),
                expected,
                found,
            }),
        }
    }
}

fn round(values: &mut [f32], to: impl Fn(f32) -> f32) {
    values.iter_mut().for_each(|value| *value = to(*value));
}
