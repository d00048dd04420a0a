//! Classes and boxes of proposals.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::Activation;
use resnet_core::layers::{ConvNormAct, ConvPlan, Norm};

use crate::RcnnConfig;
use crate::init::{self, Weight};

/// Height and width of a pooled box.
const POOLED: usize = 7;

/// The layers that all predictions of a proposal share.
#[derive(Module, Debug)]
pub(crate) enum BoxHead<B: Backend> {
    /// Two linear layers.
    TwoLinear(TwoLinear<B>),
    /// Four convolutions and one linear layer.
    FourConv(FourConv<B>),
}

#[derive(Module, Debug)]
pub(crate) struct TwoLinear<B: Backend> {
    fc6: Linear<B>,
    fc7: Linear<B>,
}

#[derive(Module, Debug)]
pub(crate) struct FourConv<B: Backend> {
    _0: ConvNormAct<B>,
    _1: ConvNormAct<B>,
    _2: ConvNormAct<B>,
    _3: ConvNormAct<B>,
    _5: Linear<B>,
}

impl<B: Backend> BoxHead<B> {
    pub(crate) fn new(config: &RcnnConfig, device: &B::Device) -> Self {
        let c = config.backbone.fpn.channels;
        let hidden = config.representation_size;
        let linear = |input: usize| LinearConfig::new(input, hidden).init(device);
        let Some(norm) = config.head_norm else {
            return Self::TwoLinear(TwoLinear {
                fc6: linear(c * POOLED * POOLED),
                fc7: linear(hidden),
            });
        };
        let layer = || {
            let conv = init::conv(ConvPlan::new(c, c, 3), Weight::Relu, None, device);
            let norm = norm.init(c, 1e-5, device);
            ConvNormAct::from_parts(conv, Some(norm)).with_act(Activation::Relu)
        };
        Self::FourConv(FourConv {
            _0: layer(),
            _1: layer(),
            _2: layer(),
            _3: layer(),
            _5: linear(c * POOLED * POOLED),
        })
    }

    /// # Shapes
    /// - `pooled`: `[rois, channels, 7, 7]`
    /// - output: `[rois, representation_size]`
    pub(crate) fn forward(&self, pooled: Tensor<B, 4>) -> Tensor<B, 2> {
        match self {
            Self::TwoLinear(head) => {
                let x = relu(head.fc6.forward(flatten(pooled)));
                relu(head.fc7.forward(x))
            }
            Self::FourConv(head) => {
                let x = head
                    .layers()
                    .into_iter()
                    .fold(pooled, |x, layer| layer.forward(x));
                relu(head._5.forward(flatten(x)))
            }
        }
    }

    pub(crate) fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        if let Self::FourConv(head) = self {
            for layer in head.layers_mut() {
                layer.norm_mut().into_iter().for_each(&mut *each);
            }
        }
    }

    pub(crate) fn fuse(&mut self) {
        if let Self::FourConv(head) = self {
            head.layers_mut().into_iter().for_each(ConvNormAct::fuse);
        }
    }
}

impl<B: Backend> FourConv<B> {
    fn layers(&self) -> [&ConvNormAct<B>; 4] {
        [&self._0, &self._1, &self._2, &self._3]
    }

    fn layers_mut(&mut self) -> [&mut ConvNormAct<B>; 4] {
        [&mut self._0, &mut self._1, &mut self._2, &mut self._3]
    }
}

fn flatten<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c * h * w])
}

/// The linear layers for classes and boxes.
#[derive(Module, Debug)]
pub(crate) struct BoxPredictor<B: Backend> {
    cls_score: Linear<B>,
    bbox_pred: Linear<B>,
}

impl<B: Backend> BoxPredictor<B> {
    pub(crate) fn new(config: &RcnnConfig, device: &B::Device) -> Self {
        let (hidden, classes) = (config.representation_size, config.num_classes);
        Self {
            cls_score: LinearConfig::new(hidden, classes).init(device),
            bbox_pred: LinearConfig::new(hidden, 4 * classes).init(device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<B, 2>) -> [Tensor<B, 2>; 2] {
        [self.cls_score.forward(x.clone()), self.bbox_pred.forward(x)]
    }
}
