//! Convolution, norm and activation, as one fused layer if the backend has fused layers.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, backend::Backend, module};
use resnet_fused::{FusedLayers, Layer, LayerConv, LayerNorm};

use super::{Attention, ConvPlan, FoldMark, Norm, drop_path, fold};
use crate::{Activation, NormKind};

/// A convolution with norm and optional activation: `act(norm(conv(x)))`.
///
/// It has the keys of torchvision's `Conv2dNormActivation`: `0.weight` for the convolution, and
/// `1.weight`, `1.bias`, `1.running_mean` and `1.running_var` for a batch norm.
///
/// ```
/// use burn::backend::Flex;
/// use burn::tensor::Tensor;
/// use resnet_core::layers::{ConvNormAct, ConvPlan};
/// use resnet_core::{Activation, NormKind};
///
/// let device = Default::default();
/// let layer = ConvNormAct::<Flex>::new(ConvPlan::new(64, 32, 3), NormKind::Batch, &device).with_act(Activation::Relu);
/// assert_eq!(layer.forward(Tensor::zeros([1, 64, 8, 8], &device)).dims(), [1, 32, 8, 8]);
/// ```
#[derive(Module, Debug)]
pub struct ConvNormAct<B: Backend> {
    fold_mark: FoldMark<B>,
    conv: Conv2d<B>,
    norm: Option<Norm<B>>,
    act: Option<Activation>,
}

impl<B: Backend> ConvNormAct<B> {
    /// Creates a convolution and a norm with epsilon 1e-5, without activation.
    pub fn new(conv: ConvPlan, norm: NormKind, device: &B::Device) -> Self {
        let [_, out_channels] = conv.channels;
        Self::from_parts(
            conv.init(device),
            Some(norm.init(out_channels, 1e-5, device)),
        )
    }

    /// Creates a layer of this convolution and norm, without activation. A layer without norm
    /// usually has a convolution with bias.
    pub fn from_parts(conv: Conv2d<B>, norm: Option<Norm<B>>) -> Self {
        Self {
            fold_mark: FoldMark::new(false),
            conv,
            norm,
            act: None,
        }
    }

    /// Adds an activation.
    pub fn with_act(self, act: Activation) -> Self {
        Self {
            act: Some(act),
            ..self
        }
    }

    /// Applies the layer.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, out_channels, height / stride, width / stride]`, rounded up
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        Step {
            act: self.act,
            ..Step::new(Some(&self.conv), &self.norm)
        }
        .forward(x)
    }

    /// Folds a batch norm into the convolution, for inference.
    pub fn fuse(&mut self) {
        let had_norm = self.norm.is_some();
        fold(&mut self.conv, &mut self.norm);
        self.fold_mark =
            FoldMark::new(self.fold_mark.is_folded() || had_norm && self.norm.is_none());
    }

    /// Returns the norm, unless it is folded.
    pub fn norm_mut(&mut self) -> Option<&mut Norm<B>> {
        self.norm.as_mut()
    }
}

/// Applies a convolution that [`ConvPlan`] created.
pub fn conv<B: Backend>(conv: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    Step::new(Some(conv), &None).forward(x)
}

/// Computes `norm(conv(x))`. A `norm` of `None` means that the norm is folded into the convolution.
pub fn conv_norm<B: Backend>(
    conv: &Conv2d<B>,
    norm: &Option<Norm<B>>,
    x: Tensor<B, 4>,
) -> Tensor<B, 4> {
    Step::new(Some(conv), norm).forward(x)
}

/// Computes `act(norm(conv(x)))`.
pub fn conv_norm_act<B: Backend>(
    conv: &Conv2d<B>,
    norm: &Option<Norm<B>>,
    act: Activation,
    x: Tensor<B, 4>,
) -> Tensor<B, 4> {
    Step::new(Some(conv), norm).act(act).forward(x)
}

/// Computes `act(norm(x))`.
pub fn norm_act<B: Backend>(
    norm: &Option<Norm<B>>,
    act: Activation,
    x: Tensor<B, 4>,
) -> Tensor<B, 4> {
    Step::new(None, norm).act(act).forward(x)
}

/// The end of a residual block: `act(drop_path(se(norm(conv(x)))) + shortcut)`.
#[derive(Debug)]
pub struct Residual<'a, B: Backend> {
    /// Last convolution of the branch.
    pub conv: &'a Conv2d<B>,
    /// Norm of the last convolution.
    pub norm: &'a Option<Norm<B>>,
    /// Channel attention.
    pub attention: &'a Option<Attention<B>>,
    /// Probability that training drops the branch; see [`drop_path`].
    pub drop_path: f64,
    /// Activation after the sum with the shortcut.
    pub act: Activation,
}

impl<B: Backend> Residual<'_, B> {
    /// Applies the last layers of the branch and adds the shortcut.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - `shortcut`, output: `[batch, out_channels, height', width']`
    pub fn forward(self, x: Tensor<B, 4>, shortcut: Tensor<B, 4>) -> Tensor<B, 4> {
        let step = Step::new(Some(self.conv), self.norm);
        if self.attention.is_none() && self.drop_path == 0.0 {
            return step.residual(shortcut).act(self.act).forward(x);
        }
        let x = step.forward(x);
        let x = match self.attention {
            Some(attention) => attention.forward(x),
            None => x,
        };
        self.act.forward(drop_path(x, self.drop_path) + shortcut)
    }
}

/// The layer `act(norm(conv(x)) + residual)`; every operation is optional.
struct Step<'a, B: Backend> {
    conv: Option<&'a Conv2d<B>>,
    norm: Option<&'a Norm<B>>,
    residual: Option<Tensor<B, 4>>,
    act: Option<Activation>,
}

impl<'a, B: Backend> Step<'a, B> {
    fn new(conv: Option<&'a Conv2d<B>>, norm: &'a Option<Norm<B>>) -> Self {
        Self {
            conv,
            norm: norm.as_ref(),
            residual: None,
            act: None,
        }
    }

    fn residual(self, residual: Tensor<B, 4>) -> Self {
        Self {
            residual: Some(residual),
            ..self
        }
    }

    fn act(self, act: Activation) -> Self {
        Self {
            act: Some(act),
            ..self
        }
    }

    fn forward(self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let fused = FusedLayers::registered().filter(|fused| (fused.supports)(x.dtype()));
        let Some(fused) = fused else {
            let x = match self.conv.map(parts) {
                Some(conv) => module::conv2d(x, conv.weight, conv.bias, conv.options),
                None => x,
            };
            return self.finish(x);
        };
        let norm = match self.norm {
            Some(Norm::Batch(norm) | Norm::Frozen(norm)) => norm.parts(&x),
            _ => None,
        };
        if norm.is_some() || self.norm.is_none() {
            return self.forward_fused(&fused, norm, x);
        }
        let x = match self.conv {
            Some(_) => Self::new(self.conv, &None).forward_fused(&fused, None, x),
            None => x,
        };
        self.finish(x)
    }

    /// Computes `act(norm(x) + residual)` with Burn's operations.
    fn finish(self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = match self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        let x = match self.residual {
            Some(residual) => x + residual,
            None => x,
        };
        match self.act {
            Some(act) => act.forward(x),
            None => x,
        }
    }

    /// Computes the layer with the fused layers of the backend, using `norm` as its norm.
    fn forward_fused(
        self,
        fused: &FusedLayers<B>,
        norm: Option<LayerNorm<B>>,
        x: Tensor<B, 4>,
    ) -> Tensor<B, 4> {
        let result = (fused.forward)(Layer {
            x,
            conv: self.conv.map(parts),
            norm,
            residual: self.residual,
            relu: self.act == Some(Activation::Relu),
        });
        if let (Some(Norm::Batch(norm)), Some([mean, variance])) = (self.norm, result.statistics) {
            norm.check_count(result.output.dims());
            norm.update_running(mean, variance);
        }
        match self.act {
            None | Some(Activation::Relu) => result.output,
            Some(act) => act.forward(result.output),
        }
    }
}

fn parts<B: Backend>(conv: &Conv2d<B>) -> LayerConv<B> {
    let padding = [0, 1].map(|side| conv.dilation[side] * (conv.kernel_size[side] - 1) / 2);
    LayerConv {
        weight: conv.weight.val(),
        bias: conv.bias.as_ref().map(Param::val),
        options: ConvOptions::new(conv.stride, padding, conv.dilation, conv.groups),
    }
}
