//! The forward passes of a network.

use alloc::vec::Vec;

use burn::tensor::{Tensor, backend::Backend};

use super::{Pyramid, ResNet};
use crate::block::Block;
use crate::layers::{global_pool, norm_act};
use crate::stem::stem_pool;

/// All outputs of one forward pass.
#[derive(Clone, Debug)]
pub struct Outputs<B: Backend> {
    /// Feature maps of stem and stages, as [`ResNet::forward_pyramid`] returns them.
    pub pyramid: Pyramid<B>,
    /// Input of the classifier, `[batch, num_features]`.
    pub embedding: Tensor<B, 2>,
    /// Output of the classifier, `[batch, num_classes]`; the embedding if there is no classifier.
    pub logits: Tensor<B, 2>,
}

impl<B: Backend> ResNet<B> {
    /// Returns the logits, or the embedding if the network has no classifier.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, num_classes]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let x = self.forward_features(x);
        self.forward_head(x)
    }

    /// Returns the last feature map. In a pre-activation network, norm and activation are applied
    /// to it.
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

    /// Returns the logits for the output of [`forward_features`](Self::forward_features).
    ///
    /// # Shapes
    /// - `features`: `[batch, channels, height, width]`
    /// - output: `[batch, num_classes]`
    pub fn forward_head(&self, features: Tensor<B, 4>) -> Tensor<B, 2> {
        self.classify(global_pool(self.config.global_pool, features))
    }

    /// Returns the embedding, the input of the classifier: one vector per image.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, num_features]`
    pub fn forward_embedding(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        global_pool(self.config.global_pool, self.forward_features(x))
    }

    /// Returns the feature maps of the stem (before its pool) and of every stage.
    /// [`ResNetConfig::features`](crate::ResNetConfig::features) gives their channels and strides.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - map `i`: `[batch, channels_i, height / stride_i, width / stride_i]`, rounded up
    pub fn forward_pyramid(&self, x: Tensor<B, 4>) -> Pyramid<B> {
        let c1 = self.forward_stem(x);
        let x = self.pool_stem(c1.clone());
        let c2 = forward_stage(&self.layer1, x);
        let next = |stage: usize, blocks: &[Block<B>], x: &Tensor<B, 4>| {
            (stage < self.config.stages.len()).then(|| forward_stage(blocks, x.clone()))
        };
        let c3 = next(1, &self.layer2, &c2);
        let c4 = c3.as_ref().and_then(|x| next(2, &self.layer3, x));
        let c5 = c4.as_ref().and_then(|x| next(3, &self.layer4, x));
        Pyramid { c1, c2, c3, c4, c5 }
    }

    /// Returns the feature pyramid, embedding and logits of one pass.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    pub fn forward_all(&self, x: Tensor<B, 4>) -> Outputs<B> {
        let pyramid = self.forward_pyramid(x);
        let features = self.finish_features(pyramid.last().clone());
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
}

fn forward_stage<B: Backend>(blocks: &[Block<B>], x: Tensor<B, 4>) -> Tensor<B, 4> {
    blocks.iter().fold(x, |x, block| block.forward(x))
}
