//! The processor, in pure Rust.

// Named so that Flex is built with the threads and SIMD that `burn` does not pass on without its defaults.
#[cfg(feature = "flex")]
pub(crate) use burn_flex::Flex;
#[cfg(feature = "ndarray")]
pub(crate) use burn_ndarray::NdArray;
#[cfg(feature = "cpu")]
pub(crate) use layers::{Cpu, register};

use crate::{BackendName, DeviceReport, Hardware};

pub(crate) fn device(name: BackendName) -> DeviceReport {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let plural = if cores == 1 { "" } else { "s" };
    DeviceReport {
        selection: name.to_string(),
        hardware: Hardware::Cpu,
        description: format!("{cores} core{plural}, {}", std::env::consts::ARCH),
    }
}

/// Layers of networks in one pass over their output.
#[cfg(feature = "cpu")]
mod layers {
    use burn::tensor::activation::relu;
    use burn::tensor::{Tensor, TensorPrimitive};
    use resnet_core::{Kernels, Layer, LayerNorm, LayerOutput};
    pub(crate) use resnet_cpu::Cpu;
    use resnet_cpu::{Epilogue, conv2d_with};

    /// Networks on `cpu` infer by these functions from now on.
    pub(crate) fn register() {
        let kernels = Kernels { layer };
        kernels.register();
    }

    fn layer(layer: Layer<Cpu>) -> LayerOutput<Cpu> {
        let (scale, shift) = match layer.norm {
            Some(LayerNorm::Running { scale, shift }) => (Some(scale), Some(shift)),
            _ => (None, None),
        };
        let output = match layer.conv {
            Some(conv) => {
                // `scale * (conv(x) + bias) + shift`
                let bias = match (conv.bias, &scale) {
                    (Some(bias), Some(scale)) => Some(bias * scale.clone()),
                    (bias, _) => bias,
                };
                let bias = bias.into_iter().chain(shift).reduce(Tensor::add);
                let epilogue = Epilogue {
                    scale: scale.map(primitive),
                    bias: bias.map(primitive),
                    residual: layer.residual.map(primitive),
                    relu: layer.relu,
                };
                let (x, weight) = (primitive(layer.x), primitive(conv.weight));
                let output = conv2d_with(x, weight, conv.options, epilogue);
                Tensor::from_primitive(TensorPrimitive::Float(output))
            }
            None => {
                let x = layer.x;
                let channels = |values: Tensor<Cpu, 1>| values.reshape([1, -1, 1, 1]);
                let x = scale.map(channels).into_iter().fold(x, Tensor::mul);
                let x = shift.map(channels).into_iter().fold(x, Tensor::add);
                let x = layer.residual.into_iter().fold(x, Tensor::add);
                if layer.relu { relu(x) } else { x }
            }
        };
        LayerOutput {
            output,
            statistics: None,
        }
    }

    fn primitive<const D: usize>(
        tensor: Tensor<Cpu, D>,
    ) -> <Cpu as burn::tensor::backend::BackendTypes>::FloatTensorPrimitive {
        tensor.into_primitive().tensor()
    }
}
