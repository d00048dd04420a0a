//! Masks of detections (He et al. 2017, Mask R-CNN, figure 4).

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::Activation;
use resnet_core::layers::{ConvNormAct, ConvPlan, conv};

use crate::RcnnConfig;
use crate::init::{self, Weight};

/// Height and width of a mask.
pub(crate) const MASK: usize = 28;

/// Creates the four convolutions before the predictor.
pub(crate) fn layers<B: Backend>(config: &RcnnConfig, device: &B::Device) -> Vec<ConvNormAct<B>> {
    let (hidden, norm) = (config.mask_channels, config.head_norm);
    let layer = |i: usize| {
        let input = match i {
            0 => config.backbone.fpn.channels,
            _ => hidden,
        };
        let bias = norm.is_none().then_some(0.0);
        let conv = init::conv(ConvPlan::new(input, hidden, 3), Weight::Relu, bias, device);
        let norm = norm.map(|norm| norm.init(hidden, 1e-5, device));
        ConvNormAct::from_parts(conv, norm).with_act(Activation::Relu)
    };
    (0..4).map(layer).collect()
}

/// Doubles the size and predicts one mask per class.
#[derive(Module, Debug)]
pub(crate) struct MaskPredictor<B: Backend> {
    conv5_mask: ConvTranspose2d<B>,
    mask_fcn_logits: Conv2d<B>,
}

impl<B: Backend> MaskPredictor<B> {
    pub(crate) fn new(config: &RcnnConfig, device: &B::Device) -> Self {
        let hidden = config.mask_channels;
        let conv5_mask = ConvTranspose2dConfig::new([hidden, hidden], [2, 2]).with_stride([2, 2]);
        Self {
            conv5_mask: init::transposed(conv5_mask.init(device), device),
            mask_fcn_logits: init::conv(
                ConvPlan::new(hidden, config.num_classes, 1),
                Weight::Relu,
                Some(0.0),
                device,
            ),
        }
    }

    /// # Shapes
    /// - `x`: `[rois, mask_channels, 14, 14]`
    /// - output: `[rois, classes, 28, 28]`
    pub(crate) fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = relu(self.conv5_mask.forward(x));
        conv(&self.mask_fcn_logits, x)
    }
}
