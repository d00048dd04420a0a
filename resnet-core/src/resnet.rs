//! The network.

use alloc::vec::Vec;

use burn::module::{Content, Module, ModuleDisplay};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Tensor, backend::Backend};

use crate::block::Block;
use crate::layers::{ConvNormAct, Norm, global_pool, norm_act};
use crate::stem::{Stem, conv_pool, stem_pool};
use crate::{LayerGroup, Network, ResNetConfig};

/// A residual network of any kind that [`ResNetConfig`] describes.
///
/// `x -> stem -> c1 -> pool -> layer1 -> c2 -> … -> layer4 -> c5 -> global pool -> embedding -> fc -> logits`
///
/// The names of the fields are the keys of torchvision's and timm's checkpoints (`layer1` is the
/// first stage); see [`Network::state_shapes`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct ResNet<B: Backend> {
    conv1: Stem<B>,
    /// After the stem; after the last stage in a pre-activation network.
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

/// Everything that one pass computes.
#[derive(Clone, Debug)]
pub struct Outputs<B: Backend> {
    /// The maps `c1` to `c5`, as [`ResNet::forward_pyramid`] gives them.
    pub pyramid: Vec<Tensor<B, 4>>,
    /// What the classifier receives, `[batch, num_features]`.
    pub embedding: Tensor<B, 2>,
    /// The classifier's output, `[batch, num_classes]`; the embedding if there is no classifier.
    pub logits: Tensor<B, 2>,
}

impl ResNetConfig {
    /// The network, initialised as PyTorch does: convolutions from `N(0, 2 / fan_out)`, norms to
    /// the identity, the classifier from `U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))`.
    ///
    /// Values are drawn when first used, so loading a checkpoint costs no initialisation.
    ///
    /// # Panics
    ///
    /// If the config is not [valid](Self::validate).
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
    /// The options it was built from.
    pub fn config(&self) -> &ResNetConfig {
        &self.config
    }

    /// Class scores before softmax; the embedding if the network has no classifier.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, num_classes]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let x = self.forward_features(x);
        self.forward_head(x)
    }

    /// The last map, with norm and activation in a pre-activation network.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, channels, height / output_stride, width / output_stride]`, rounded up
    pub fn forward_features(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = self.pool_stem(self.forward_stem(x));
        for stage in self.stages() {
            x = forward_stage(stage, x);
        }
        self.finish_features(x)
    }

    /// From the output of [`forward_features`](Self::forward_features) to the logits.
    ///
    /// # Shapes
    /// - `features`: `[batch, channels, height, width]`
    /// - output: `[batch, num_classes]`
    pub fn forward_head(&self, features: Tensor<B, 4>) -> Tensor<B, 2> {
        self.classify(global_pool(self.config.global_pool, features))
    }

    /// What the classifier receives: one vector an image.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, num_features]`
    pub fn forward_embedding(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        global_pool(self.config.global_pool, self.forward_features(x))
    }

    /// The maps of the stem (before its pool) and of every stage, `c1` to `c5`.
    /// [`ResNetConfig::features`] tells their channels and strides.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output `i`: `[batch, channels_i, height / stride_i, width / stride_i]`, rounded up
    pub fn forward_pyramid(&self, x: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        let stem = self.forward_stem(x);
        let mut x = self.pool_stem(stem.clone());
        let mut maps = alloc::vec![stem];
        for stage in self.stages() {
            x = forward_stage(stage, x);
            maps.push(x.clone());
        }
        maps
    }

    /// Pyramid, embedding and logits in one pass.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    pub fn forward_all(&self, x: Tensor<B, 4>) -> Outputs<B> {
        let pyramid = self.forward_pyramid(x);
        let features = self.finish_features(pyramid[pyramid.len() - 1].clone());
        let embedding = global_pool(self.config.global_pool, features);
        let logits = self.classify(embedding.clone());
        Outputs {
            pyramid,
            embedding,
            logits,
        }
    }

    fn stages(&self) -> impl Iterator<Item = &Vec<Block<B>>> {
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
            .into_iter()
            .take(self.config.stages.len())
    }

    fn forward_stem(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let act = self.config.activation;
        match self.config.is_pre_activation() {
            true => self.conv1.forward(x),
            false => self.conv1.forward_activated(&self.bn1, act, x),
        }
    }

    fn pool_stem(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        stem_pool(
            self.config.stem_pool,
            self.config.anti_alias,
            &self.maxpool,
            x,
        )
    }

    fn finish_features(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self.config.is_pre_activation() {
            true => norm_act(&self.bn1, self.config.activation, x),
            false => x,
        }
    }

    fn classify(&self, embedding: Tensor<B, 2>) -> Tensor<B, 2> {
        let x = self.dropout.forward(embedding);
        match &self.fc {
            Some(fc) => fc.forward(x),
            None => x,
        }
    }

    /// The same network with a new, freshly initialised classifier; none for 0 classes.
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

    /// The same network for images of other channels, its first convolution adapted as timm does: summed
    /// over its input for one channel, repeated and scaled by `old / new` for more. The rest is kept. Images of
    /// other channels need means and deviations of their own.
    ///
    /// # Panics
    ///
    /// If `in_channels` is 0.
    ///
    /// ```
    /// use burn::backend::Flex;
    /// use burn::tensor::Tensor;
    /// use resnet_core::{Arch, ResNet};
    ///
    /// let model: ResNet<Flex> = Arch::TestResNet.config().init(&Default::default());
    /// let grey = Tensor::ones([1, 1, 64, 64], &Default::default());
    /// let colour = grey.clone().repeat_dim(1, 3);
    /// let difference = model.forward(colour) - model.with_in_channels(1).forward(grey);
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

    /// Group norms and the first norm of pre-activation blocks stay.
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
        self
    }

    fn saved_config(&self) -> Option<&ResNetConfig> {
        Some(&self.config)
    }

    fn layer_group(&self, key: &str) -> LayerGroup {
        match key.split('.').next() {
            // After the last stage.
            Some("bn1") if self.config.is_pre_activation() => {
                LayerGroup::ALL[self.config.stages.len()]
            }
            _ => LayerGroup::of_key(key),
        }
    }
}

fn forward_stage<B: Backend>(blocks: &[Block<B>], x: Tensor<B, 4>) -> Tensor<B, 4> {
    blocks.iter().fold(x, |x, block| block.forward(x))
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
