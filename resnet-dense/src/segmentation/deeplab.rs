//! The heads of DeepLabV3 and DeepLabV3+.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::Activation;
use resnet_core::layers::{ConvNormAct, ConvPlan, FoldMark, Norm, conv, conv_norm_act, fold};

use super::aspp::{Aspp, AsppOptions, layer, norm};
use crate::init::{self, Weight};
use crate::ops::resize;

/// Channels of the early map in DeepLabV3+.
const LOW_LEVEL: usize = 48;

/// `conv1x1 ∘ relu ∘ norm ∘ conv3x3 ∘ aspp`.
#[derive(Module, Debug)]
pub(super) struct DeepLabHead<B: Backend> {
    fold_mark: FoldMark<B>,
    _0: Aspp<B>,
    _1: Conv2d<B>,
    _2: Option<Norm<B>>,
    _4: Conv2d<B>,
}

/// The decoder of DeepLabV3+ (Chen et al. 2018): `y = upsample(aspp(last))`, `z = project(first)`,
/// `conv1x1 ∘ relu ∘ norm ∘ conv3x3 (z, y)`.
///
/// The state-dict keys equal the PyTorch implementation `DeepLabV3Plus-Pytorch`.
#[derive(Module, Debug)]
pub(super) struct DeepLabPlusHead<B: Backend> {
    project: ConvNormAct<B>,
    aspp: Aspp<B>,
    classifier: Decoder<B>,
}

#[derive(Module, Debug)]
struct Decoder<B: Backend> {
    fold_mark: FoldMark<B>,
    _0: Conv2d<B>,
    _1: Option<Norm<B>>,
    _3: Conv2d<B>,
}

impl<B: Backend> DeepLabHead<B> {
    pub(super) fn new(
        in_channels: usize,
        aspp: AsppOptions,
        num_classes: usize,
        device: &B::Device,
    ) -> Self {
        let channels = aspp.channels;
        let plan = ConvPlan::new(channels, channels, 3);
        let last = ConvPlan::new(channels, num_classes, 1);
        Self {
            fold_mark: FoldMark::new(false),
            _0: Aspp::new(in_channels, aspp, device),
            _1: init::conv(plan, Weight::Default, None, device),
            _2: Some(norm(channels, device)),
            _4: init::conv(last, Weight::Default, Some(0.0), device),
        }
    }

    pub(super) fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = self._0.forward(x);
        let x = conv_norm_act(&self._1, &self._2, Activation::Relu, x);
        conv(&self._4, x)
    }

    pub(super) fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self._0.each_norm(each);
        self._2.iter_mut().for_each(each);
    }

    pub(super) fn fuse(&mut self) {
        self._0.fuse();
        fold(&mut self._1, &mut self._2);
        self.fold_mark = FoldMark::new(true);
    }
}

impl<B: Backend> DeepLabPlusHead<B> {
    pub(super) fn new(
        [first, last]: [usize; 2],
        aspp: AsppOptions,
        num_classes: usize,
        device: &B::Device,
    ) -> Self {
        let channels = aspp.channels;
        let hidden = ConvPlan::new(LOW_LEVEL + channels, channels, 3);
        let logits = ConvPlan::new(channels, num_classes, 1);
        Self {
            project: layer(ConvPlan::new(first, LOW_LEVEL, 1), device),
            aspp: Aspp::new(last, aspp, device),
            classifier: Decoder {
                fold_mark: FoldMark::new(false),
                _0: init::conv(hidden, Weight::Relu, None, device),
                _1: Some(norm(channels, device)),
                _3: init::conv(logits, Weight::Default, Some(0.0), device),
            },
        }
    }

    /// Returns the logits at the size of the first map.
    ///
    /// # Shapes
    /// - `first`: `[batch, channels, height, width]`, the map of the first stage
    /// - `last`: `[batch, channels, height', width']`, the map of the last stage
    pub(super) fn forward(&self, first: Tensor<B, 4>, last: Tensor<B, 4>) -> Tensor<B, 4> {
        let [_, _, height, width] = first.dims();
        let low = self.project.forward(first);
        let high = resize::bilinear(self.aspp.forward(last), [height, width]);
        let decoder = &self.classifier;
        let x = Tensor::cat(vec![low, high], 1);
        let x = conv_norm_act(&decoder._0, &decoder._1, Activation::Relu, x);
        conv(&decoder._3, x)
    }

    pub(super) fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.project.norm_mut().into_iter().for_each(&mut *each);
        self.aspp.each_norm(each);
        self.classifier._1.iter_mut().for_each(each);
    }

    pub(super) fn fuse(&mut self) {
        self.project.fuse();
        self.aspp.fuse();
        let decoder = &mut self.classifier;
        fold(&mut decoder._0, &mut decoder._1);
        decoder.fold_mark = FoldMark::new(true);
    }
}
