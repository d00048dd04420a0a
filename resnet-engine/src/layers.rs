//! The layers of a network with their parameters.

mod int8;
mod reader;

use alloc::vec::Vec;

use resnet_core::ConvPlan;
use resnet_kernels::conv::{Algorithm, Conv, ConvOptions, Epilogue, Geometry, PackedWeights};
use resnet_kernels::norm::{Affine, GroupNorm};
use resnet_kernels::sizes::Dims;

pub(crate) use int8::{Finish, Int8Layer, Types};
pub(crate) use reader::Reader;

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
    Int8(Int8Layer),
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

    /// Returns the geometry for the smallest input.
    pub(crate) fn smallest(plan: ConvPlan) -> Option<Geometry> {
        let side = plan.dilation * (plan.kernel - 1) + 1;
        Self::geometry(plan, [1, plan.channels[0], side, side])
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
            Self::Int8(conv) => conv.bytes(),
            Self::Linear { weight, bias } => size_of_val(&weight[..]) + size_of_val(&bias[..]),
            Self::Affine(affine) => affine.bytes(),
            Self::Group(norm) | Self::BatchStats(norm) => 2 * norm.weight.len() * size_of::<f32>(),
            Self::ChannelConv(kernel) => size_of_val(&kernel[..]),
        }
    }
}
