//! The network, its initialization and its conversions.

mod forward;
mod pyramid;

use alloc::vec::Vec;
use core::fmt;

use burn::config::{Config, config_to_json};
use burn::module::{Content, Module, ModuleDisplay};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::backend::Backend;

use crate::block::Block;
use crate::layers::{ConvNormAct, FoldMark, Norm};
use crate::stem::{Stem, conv_pool};
use crate::{LayerGroup, Network, NormKind, ResNetConfig};

pub use self::forward::Outputs;
pub use self::pyramid::Pyramid;

/// A residual network. [`ResNetConfig`] describes its options.
///
/// `x -> stem -> c1 -> pool -> layer1 -> c2 -> … -> layer4 -> c5 -> global pool -> embedding -> fc -> logits`
///
/// The field names are the keys of torchvision and timm checkpoints; `layer1` is the first stage.
/// See [`Network::state_shapes`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct ResNet<B: Backend> {
    fold_mark: FoldMark<B>,
    conv1: Stem<B>,
    /// Follows the stem, or the last stage in a pre-activation network.
    bn1: Option<Norm<B>>,
    maxpool: Option<ConvNormAct<B>>,
    layer1: Vec<Block<B>>,
    layer2: Vec<Block<B>>,
    layer3: Vec<Block<B>>,
    layer4: Vec<Block<B>>,
    dropout: Dropout,
    fc: Option<Linear<B>>,
    config: ResNetConfig,
}

impl Config for ResNetConfig {}

/// Writes the config as JSON, like other Burn configs.
impl fmt::Display for ResNetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&config_to_json(self))
    }
}

impl ResNetConfig {
    /// Creates the network with PyTorch's initialization.
    ///
    /// Convolution weights come from `N(0, 2 / fan_out)`, and classifier weights from
    /// `U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))`. Norms start as the identity.
    ///
    /// Weights are initialized at first use, so loading a checkpoint skips the initialization.
    ///
    /// # Panics
    ///
    /// Panics if the config is not [valid](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> ResNet<B> {
        if let Err(error) = self.validate() {
            panic!("invalid ResNetConfig: {error}");
        }
        let last = if self.is_pre_activation() {
            self.last_channels()
        } else {
            self.stem.out_channels()
        };
        let mut stages = self.plan().into_iter();
        let mut stage = || -> Vec<Block<B>> {
            let blocks = stages.next().unwrap_or_default();
            blocks
                .iter()
                .map(|block| Block::new(self, block, device))
                .collect()
        };
        ResNet {
            fold_mark: FoldMark::new(false),
            conv1: Stem::new(self, device),
            bn1: Some(Norm::new(self, last, device)),
            maxpool: conv_pool(self, device),
            layer1: stage(),
            layer2: stage(),
            layer3: stage(),
            layer4: stage(),
            dropout: DropoutConfig::new(self.dropout).init(),
            fc: classifier(self, device),
            config: self.clone(),
        }
    }
}

fn classifier<B: Backend>(config: &ResNetConfig, device: &B::Device) -> Option<Linear<B>> {
    let classes = config.num_classes;
    (classes > 0).then(|| LinearConfig::new(config.num_features(), classes).init(device))
}

impl<B: Backend> ResNet<B> {
    /// Returns the config of the network.
    pub fn config(&self) -> &ResNetConfig {
        &self.config
    }

    /// Replaces the classifier by a newly initialized one, or removes it for 0 classes.
    ///
    /// ```
    /// use burn::backend::Flex;
    /// use resnet_core::{Arch, ResNet};
    ///
    /// let model: ResNet<Flex> = Arch::TestResNet.config().init(&Default::default());
    /// assert_eq!(model.with_classes(10).config().num_classes, 10);
    /// ```
    pub fn with_classes(mut self, num_classes: usize) -> Self {
        let device = self.devices().into_iter().next().unwrap_or_default();
        self.config.num_classes = num_classes;
        self.fc = classifier(&self.config, &device);
        self
    }

    /// Adapts the network to images with another number of channels, as timm does.
    ///
    /// Only the first convolution changes; see
    /// [`adapt_in_channels`](crate::layers::adapt_in_channels). The new channels need their own
    /// mean and standard deviation in preprocessing.
    ///
    /// # Panics
    ///
    /// Panics if `in_channels` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use burn::backend::Flex;
    /// use burn::tensor::Tensor;
    /// use resnet_core::{Arch, ResNet};
    ///
    /// let model: ResNet<Flex> = Arch::TestResNet.config().init(&Default::default());
    /// let gray = Tensor::ones([1, 1, 64, 64], &Default::default());
    /// let color = gray.clone().repeat_dim(1, 3);
    /// let difference = model.forward(color) - model.with_in_channels(1).forward(gray);
    /// assert!(difference.abs().max().into_scalar() < 1e-5);
    /// ```
    pub fn with_in_channels(mut self, in_channels: usize) -> Self {
        assert!(
            in_channels > 0,
            "expected at least 1 input channel, found 0"
        );
        if in_channels != self.config.in_channels {
            self.conv1.set_in_channels(in_channels);
            self.config.in_channels = in_channels;
        }
        self
    }

    fn blocks_mut(&mut self) -> impl Iterator<Item = &mut Block<B>> {
        let stages = [
            &mut self.layer1,
            &mut self.layer2,
            &mut self.layer3,
            &mut self.layer4,
        ];
        stages.into_iter().flatten()
    }
}

impl<B: Backend> Network<B> for ResNet<B> {
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.conv1.norms().for_each(&mut *each);
        self.bn1.iter_mut().for_each(&mut *each);
        self.maxpool
            .iter_mut()
            .filter_map(ConvNormAct::norm_mut)
            .for_each(&mut *each);
        self.blocks_mut().for_each(|block| block.each_norm(each));
    }

    /// Folds batch norms only. The first norm of pre-activation blocks stays.
    fn fuse(mut self) -> Self {
        let pre_activation = self.config.is_pre_activation();
        let mut after_stem = match pre_activation {
            true => None,
            false => self.bn1.take(),
        };
        self.conv1.fuse(&mut after_stem);
        if !pre_activation {
            self.bn1 = after_stem;
        }
        self.maxpool.iter_mut().for_each(ConvNormAct::fuse);
        self.blocks_mut().for_each(Block::fuse);
        self.fold_mark = FoldMark::new(matches!(
            self.config.norm,
            NormKind::Batch | NormKind::Frozen
        ));
        self
    }

    fn saved_config(&self) -> Option<&ResNetConfig> {
        Some(&self.config)
    }

    fn layer_group(&self, key: &str) -> LayerGroup {
        match key.split('.').next() {
            // This norm follows the last stage.
            Some("bn1") if self.config.is_pre_activation() => {
                LayerGroup::ALL[self.config.stages.len()]
            }
            _ => LayerGroup::of_key(key),
        }
    }
}

impl<B: Backend> ModuleDisplay for ResNet<B> {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let depths: Vec<usize> = self.config.stages.iter().map(|stage| stage.depth).collect();
        content
            .add("in_channels", &self.config.in_channels)
            .add_debug_attribute("stem", &self.config.stem)
            .add_debug_attribute("depths", &depths)
            .add("num_features", &self.config.num_features())
            .add("num_classes", &self.config.num_classes)
            .optional()
    }
}
