//! Atrous spatial pyramid pooling.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::layers::{ConvNormAct, ConvPlan, FoldMark, Norm, conv_norm_act, fold};
use resnet_core::{Activation, NormKind};

use crate::init::{self, Weight};

/// The options of the pooling.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsppOptions {
    /// Channels of every branch.
    pub(super) channels: usize,
    /// Dilations of the 3x3 branches.
    pub(super) rates: [usize; 3],
    pub(super) dropout: bool,
}

/// Atrous spatial pyramid pooling: five branches on the same map, concatenated and projected.
#[derive(Module, Debug)]
pub(super) struct Aspp<B: Backend> {
    convs: Vec<Branch<B>>,
    project: ConvNormAct<B>,
    dropout: Dropout,
}

#[derive(Module, Debug)]
enum Branch<B: Backend> {
    /// A 1x1 or a dilated 3x3 convolution.
    Conv(ConvNormAct<B>),
    /// The mean of the map.
    Pool(PooledBranch<B>),
}

#[derive(Module, Debug)]
struct PooledBranch<B: Backend> {
    fold_mark: FoldMark<B>,
    _1: Conv2d<B>,
    _2: Option<Norm<B>>,
}

pub(super) fn layer<B: Backend>(plan: ConvPlan, device: &B::Device) -> ConvNormAct<B> {
    let norm = norm(plan.channels[1], device);
    let conv = init::conv(plan, Weight::Default, None, device);
    ConvNormAct::from_parts(conv, Some(norm)).with_act(Activation::Relu)
}

pub(super) fn norm<B: Backend>(channels: usize, device: &B::Device) -> Norm<B> {
    NormKind::Batch.init(channels, 1e-5, device)
}

impl<B: Backend> Aspp<B> {
    pub(super) fn new(in_channels: usize, options: AsppOptions, device: &B::Device) -> Self {
        let hidden = options.channels;
        let plan = |kernel: usize| ConvPlan::new(in_channels, hidden, kernel);
        let mut convs = vec![Branch::Conv(layer(plan(1), device))];
        convs.extend(
            options
                .rates
                .map(|rate| Branch::Conv(layer(plan(3).dilation(rate), device))),
        );
        convs.push(Branch::Pool(PooledBranch {
            fold_mark: FoldMark::new(false),
            _1: init::conv(plan(1), Weight::Default, None, device),
            _2: Some(norm(hidden, device)),
        }));
        Self {
            project: layer(ConvPlan::new(convs.len() * hidden, hidden, 1), device),
            convs,
            dropout: DropoutConfig::new(if options.dropout { 0.5 } else { 0.0 }).init(),
        }
    }

    pub(super) fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let branches = self.convs.iter().map(|branch| branch.forward(x.clone()));
        let x = self.project.forward(Tensor::cat(branches.collect(), 1));
        self.dropout.forward(x)
    }

    pub(super) fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        for branch in &mut self.convs {
            match branch {
                Branch::Conv(layer) => layer.norm_mut().into_iter().for_each(&mut *each),
                Branch::Pool(branch) => branch._2.iter_mut().for_each(&mut *each),
            }
        }
        self.project.norm_mut().into_iter().for_each(each);
    }

    pub(super) fn fuse(&mut self) {
        for branch in &mut self.convs {
            match branch {
                Branch::Conv(layer) => layer.fuse(),
                Branch::Pool(branch) => {
                    fold(&mut branch._1, &mut branch._2);
                    branch.fold_mark = FoldMark::new(true);
                }
            }
        }
        self.project.fuse();
    }
}

impl<B: Backend> Branch<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::Conv(layer) => layer.forward(x),
            Self::Pool(branch) => {
                let [_, _, h, w] = x.dims();
                let mean = x.mean_dim(3).mean_dim(2);
                let x = conv_norm_act(&branch._1, &branch._2, Activation::Relu, mean);
                x.repeat(&[1, 1, h, w])
            }
        }
    }
}
