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
    use burn::tensor::{Tensor, TensorPrimitive, module};
    use resnet_core::{Kernels, Layer, LayerOutput};
    pub(crate) use resnet_cpu::Cpu;
    use resnet_cpu::{Epilogue, conv2d_with};

    /// Networks on `cpu` infer by these functions from now on.
    pub(crate) fn register() {
        let kernels = Kernels { layer };
        kernels.register();
    }

    fn layer(layer: Layer<Cpu>) -> LayerOutput<Cpu> {
        let output = fused(&layer).unwrap_or_else(|| plain(layer));
        LayerOutput {
            output,
            statistics: None,
        }
    }

    fn fused(layer: &Layer<Cpu>) -> Option<Tensor<Cpu, 4>> {
        let conv = layer.conv.as_ref()?;
        let epilogue = Epilogue {
            residual: layer.residual.clone().map(primitive),
            relu: layer.relu,
        };
        let output = conv2d_with(
            &primitive(layer.x.clone()),
            &primitive(conv.weight.clone()),
            conv.bias.clone().map(primitive).as_ref(),
            &conv.options,
            &epilogue,
        )?;
        Some(Tensor::from_primitive(TensorPrimitive::Float(output)))
    }

    fn plain(layer: Layer<Cpu>) -> Tensor<Cpu, 4> {
        let x = match layer.conv {
            Some(conv) => module::conv2d(layer.x, conv.weight, conv.bias, conv.options),
            None => layer.x,
        };
        let x = match layer.residual {
            Some(residual) => x + residual,
            None => x,
        };
        if layer.relu { relu(x) } else { x }
    }

    fn primitive<const D: usize>(
        tensor: Tensor<Cpu, D>,
    ) -> <Cpu as burn::tensor::backend::BackendTypes>::FloatTensorPrimitive {
        tensor.into_primitive().tensor()
    }
}
