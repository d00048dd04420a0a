//! A residual network with a feature pyramid.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::layers::Norm;
use resnet_core::{Network, Pyramid, ResNet, ResNetConfig};
use serde::{Deserialize, Serialize};

use crate::validate::{self, DenseConfigError};
use crate::{Fpn, FpnConfig, TopLevels};

/// The options of a backbone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneConfig {
    /// The residual network, without classifier.
    pub body: ResNetConfig,
    /// The feature pyramid.
    pub fpn: FpnConfig,
}

/// A residual network with a feature pyramid.
#[derive(Module, Debug)]
pub struct Backbone<B: Backend> {
    body: ResNet<B>,
    fpn: Fpn<B>,
    #[module(skip)]
    first_stage: usize,
}

impl BackboneConfig {
    /// Returns the number of levels of the pyramid.
    pub fn levels(&self) -> usize {
        let stages = self.body.features().len();
        let top = match self.fpn.top {
            TopLevels::Pool => 1,
            TopLevels::ConvP5 | TopLevels::ConvC5 => 2,
        };
        stages.saturating_sub(self.fpn.first_stage) + top
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first invalid option.
    pub fn validate(&self) -> Result<(), DenseConfigError> {
        self.body.validate()?;
        validate::at_least("fpn.channels", self.fpn.channels, 1)?;
        validate::norm("fpn.norm", self.fpn.norm, &[self.fpn.channels])?;
        let stages = self.body.features().len();
        match (1..stages).contains(&self.fpn.first_stage) {
            true => Ok(()),
            false => {
                let expected = format!("a stage from 1 to {}", stages.saturating_sub(1));
                Err(validate::invalid(
                    "fpn.first_stage",
                    expected,
                    self.fpn.first_stage,
                ))
            }
        }
    }

    /// Creates the backbone, for a detector of your own.
    ///
    /// # Panics
    ///
    /// May panic if the config is not [valid](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> Backbone<B> {
        let body = self.body.clone().with_num_classes(0);
        let channels = body.features().into_iter().skip(self.fpn.first_stage);
        let channels: Vec<usize> = channels.map(|feature| feature.channels).collect();
        Backbone {
            body: body.init(device),
            fpn: self.fpn.init(&channels, device),
            first_stage: self.fpn.first_stage,
        }
    }
}

impl<B: Backend> Backbone<B> {
    /// Returns the feature maps of all stages of the residual network.
    ///
    /// # Shapes
    /// - `images`: `[batch, channels, height, width]`
    pub fn forward_body(&self, images: Tensor<B, 4>) -> Pyramid<B> {
        self.body.forward_pyramid(images)
    }

    /// Returns the levels of the pyramid, from the largest map to the smallest.
    ///
    /// # Shapes
    /// - output: `[batch, channels, height_i, width_i]`
    pub fn forward_fpn(&self, stages: Pyramid<B>) -> Vec<Tensor<B, 4>> {
        let maps = stages.into_maps().into_iter().skip(self.first_stage);
        self.fpn.forward(maps.collect())
    }

    /// Returns the levels of the pyramid for a batch of images.
    pub fn forward(&self, images: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        self.forward_fpn(self.forward_body(images))
    }

    /// Changes the residual network, for example to load ImageNet weights into it.
    ///
    /// # Errors
    ///
    /// Returns the error of `change`.
    pub fn map_body<E>(
        self,
        change: impl FnOnce(ResNet<B>) -> Result<ResNet<B>, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            body: change(self.body)?,
            ..self
        })
    }

    /// Calls `each` with every norm.
    pub fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.body.each_norm(each);
        self.fpn.each_norm(each);
    }

    /// Folds every batch norm that follows a convolution into the convolution.
    pub fn fuse(self) -> Self {
        let mut fpn = self.fpn;
        fpn.fuse();
        Self {
            body: self.body.fuse(),
            fpn,
            ..self
        }
    }
}
