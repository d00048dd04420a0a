//! The head of FCN.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::layers::{ConvPlan, FoldMark, Norm, conv, conv_norm_act, fold};
use resnet_core::{Activation, NormKind};

use crate::init::{self, Weight};

/// `conv1x1 ∘ dropout ∘ relu ∘ norm ∘ conv3x3`, with a quarter of the channels in between.
#[derive(Module, Debug)]
pub(super) struct FcnHead<B: Backend> {
    fold_mark: FoldMark<B>,
    _0: Conv2d<B>,
    _1: Option<Norm<B>>,
    dropout: Dropout,
    _4: Conv2d<B>,
}

impl<B: Backend> FcnHead<B> {
    pub(super) fn new(
        in_channels: usize,
        num_classes: usize,
        dropout: bool,
        device: &B::Device,
    ) -> Self {
        let inner = (in_channels / 4).max(1);
        let hidden = ConvPlan::new(in_channels, inner, 3);
        let last = ConvPlan::new(inner, num_classes, 1);
        Self {
            fold_mark: FoldMark::new(false),
            _0: init::conv(hidden, Weight::Default, None, device),
            _1: Some(NormKind::Batch.init(inner, 1e-5, device)),
            dropout: DropoutConfig::new(if dropout { 0.1 } else { 0.0 }).init(),
            _4: init::conv(last, Weight::Default, Some(0.0), device),
        }
    }

    pub(super) fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = conv_norm_act(&self._0, &self._1, Activation::Relu, x);
        conv(&self._4, self.dropout.forward(x))
    }

    pub(super) fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self._1.iter_mut().for_each(each);
    }

    pub(super) fn fuse(&mut self) {
        fold(&mut self._0, &mut self._1);
        self.fold_mark = FoldMark::new(true);
    }
}
