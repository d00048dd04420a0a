//! The layers of a network with their parameters.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use half::{bf16, f16};
use resnet_core::{ConvPlan, NormKind};
use resnet_kernels::conv::{Algorithm, Conv, ConvOptions, Epilogue, Geometry, PackedWeights};
use resnet_kernels::norm::{Affine, GroupNorm};
use resnet_kernels::sizes::Dims;

use crate::graph::LayerSpec;
use crate::{CompileError, Precision};

/// The tensors of a network by PyTorch's keys.
///
/// Any function with these arguments is a state dict:
///
/// ```
/// use resnet_core::Arch;
/// use resnet_engine::{Engine, Precision};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Arch::TestResNet.config();
/// let zeros = |_key: &str, shape: &[usize]| Ok::<_, std::io::Error>(vec![0.0; shape.iter().product()]);
/// let engine = Engine::compile(&config, zeros, Precision::F32)?;
/// # Ok(())
/// # }
/// ```
pub trait StateDict {
    /// The error for a tensor that cannot be read.
    type Error;

    /// Returns the values of a tensor in row-major order. `shape` is the expected shape.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such tensor or it cannot be read.
    fn read(&mut self, key: &str, shape: &[usize]) -> Result<Vec<f32>, Self::Error>;
}

impl<E, F: FnMut(&str, &[usize]) -> Result<Vec<f32>, E>> StateDict for F {
    type Error = E;

    fn read(&mut self, key: &str, shape: &[usize]) -> Result<Vec<f32>, E> {
        self(key, shape)
    }
}

/// A layer with its parameters.
pub(crate) enum Layer {
    Conv(ConvLayer),
    Linear {
        weight: Vec<f32>,
        bias: Vec<f32>,
    },
    /// A batch norm with running statistics that is not folded.
    Affine(Affine),
    Group(GroupNorm),
    /// A batch norm by the statistics of the batch.
    BatchStats(GroupNorm),
    ChannelConv(Vec<f32>),
}

/// A convolution with packed weights.
pub(crate) struct ConvLayer {
    pub(crate) plan: ConvPlan,
    pub(crate) algorithm: Algorithm,
    pub(crate) weights: PackedWeights,
    pub(crate) epilogue: Epilogue,
}

impl ConvLayer {
    /// Returns the geometry for an input, or `None` if it does not fit into memory.
    pub(crate) fn geometry(plan: ConvPlan, x: Dims) -> Option<Geometry> {
        let [inputs, outputs] = plan.channels;
        let weight = [outputs, inputs / plan.groups, plan.kernel, plan.kernel];
        let options = ConvOptions {
            stride: [plan.stride; 2],
            padding: [plan.padding(); 2],
            dilation: [plan.dilation; 2],
            groups: plan.groups,
        };
        Geometry::of_conv(x, weight, options)
    }

    /// Returns the convolution for an input, or `None` if it does not fit into memory.
    pub(crate) fn conv(&self, x: Dims) -> Option<Conv> {
        let conv = Conv::with_algorithm(Self::geometry(self.plan, x)?, self.algorithm);
        (conv.algorithm() == self.algorithm).then_some(conv)
    }
}

impl Layer {
    /// Returns the size of the parameters in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Conv(conv) => conv.weights.bytes() + conv.plan.channels[1] * size_of::<f32>(),
            Self::Linear { weight, bias } => size_of_val(&weight[..]) + size_of_val(&bias[..]),
            Self::Affine(affine) => affine.bytes(),
            Self::Group(norm) | Self::BatchStats(norm) => 2 * norm.weight.len() * size_of::<f32>(),
            Self::ChannelConv(kernel) => size_of_val(&kernel[..]),
        }
    }
}

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
            LayerSpec::Linear {
                key,
                channels: [inputs, outputs],
                conv,
            } => {
                let axes = if *conv { 4 } else { 2 };
                let shape = [*outputs, *inputs, 1, 1];
                Ok(Layer::Linear {
                    weight: self.weight(&format!("{key}.weight"), &shape[..axes])?,
                    bias: self.read(&format!("{key}.bias"), &[*outputs])?,
                })
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
        let LayerSpec::Conv {
            key, norm, relu, ..
        } = spec
        else {
            unreachable!("called for convolutions only");
        };
        let [inputs, outputs] = plan.channels;
        let shape = [outputs, inputs / plan.groups, plan.kernel, plan.kernel];
        let mut weight = self.weight(&format!("{key}.weight"), &shape)?;
        let mut shift = None;
        if let Some(norm) = norm {
            let [scale, bias] = self.scale_and_shift(norm, outputs)?;
            for (weight, scale) in weight
                .chunks_exact_mut(inputs / plan.groups * plan.kernel * plan.kernel)
                .zip(&scale)
            {
                weight.iter_mut().for_each(|weight| *weight *= scale);
            }
            shift = Some(bias);
        }
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
            epilogue: Epilogue::new(None, shift.as_deref(), *relu, outputs),
        }))
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
