//! Keypoints of detections (He et al. 2017, Mask R-CNN, section 5).

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::Activation;
use resnet_core::layers::{ConvPlan, conv_norm_act};

use crate::RcnnConfig;
use crate::init::{self, Weight};
use crate::ops::resize;

/// Height and width of a heatmap.
pub(crate) const HEATMAP: usize = 56;

/// Eight convolutions, each with a ReLU.
#[derive(Module, Debug)]
pub(crate) struct KeypointHead<B: Backend> {
    _0: Conv2d<B>,
    _2: Conv2d<B>,
    _4: Conv2d<B>,
    _6: Conv2d<B>,
    _8: Conv2d<B>,
    _10: Conv2d<B>,
    _12: Conv2d<B>,
    _14: Conv2d<B>,
}

impl<B: Backend> KeypointHead<B> {
    pub(crate) fn new(config: &RcnnConfig, device: &B::Device) -> Self {
        let hidden = config.keypoint_channels;
        let layer = |input: usize| {
            let plan = ConvPlan::new(input, hidden, 3);
            init::conv(plan, Weight::Relu, Some(0.0), device)
        };
        Self {
            _0: layer(config.backbone.fpn.channels),
            _2: layer(hidden),
            _4: layer(hidden),
            _6: layer(hidden),
            _8: layer(hidden),
            _10: layer(hidden),
            _12: layer(hidden),
            _14: layer(hidden),
        }
    }

    /// # Shapes
    /// - `x`: `[rois, channels, 14, 14]`
    /// - output: `[rois, keypoint_channels, 14, 14]`
    pub(crate) fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let layers = [
            &self._0, &self._2, &self._4, &self._6, &self._8, &self._10, &self._12, &self._14,
        ];
        let relu = Activation::Relu;
        layers
            .into_iter()
            .fold(x, |x, layer| conv_norm_act(layer, &None, relu, x))
    }
}

/// Predicts one heatmap per keypoint at four times the size.
#[derive(Module, Debug)]
pub(crate) struct KeypointPredictor<B: Backend> {
    kps_score_lowres: ConvTranspose2d<B>,
}

impl<B: Backend> KeypointPredictor<B> {
    pub(crate) fn new(config: &RcnnConfig, keypoints: usize, device: &B::Device) -> Self {
        let channels = [config.keypoint_channels, keypoints];
        let layer = ConvTranspose2dConfig::new(channels, [4, 4])
            .with_stride([2, 2])
            .with_padding([1, 1]);
        Self {
            kps_score_lowres: init::transposed(layer.init(device), device),
        }
    }

    /// # Shapes
    /// - `x`: `[rois, keypoint_channels, 14, 14]`
    /// - output: `[rois, keypoints, 56, 56]`
    pub(crate) fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        resize::bilinear(self.kps_score_lowres.forward(x), [HEATMAP; 2])
    }
}
