//! FCN, DeepLabV3 and DeepLabV3+.

mod aspp;
mod deeplab;
mod fcn;
mod losses;

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::layers::Norm;
use resnet_core::{LayerGroup, Network, Pyramid, ResNet, ResNetConfig};
use serde::{Deserialize, Serialize};

use crate::ops::resize;
use crate::validate::{self, DenseConfigError};
use aspp::AsppOptions;
use deeplab::{DeepLabHead, DeepLabPlusHead};
use fcn::FcnHead;

pub use losses::IGNORE;

/// The head that predicts the class of each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentationHead {
    /// One 3x3 convolution and a classifier (Long et al. 2015).
    Fcn,
    /// Atrous spatial pyramid pooling (Chen et al. 2017, "Rethinking Atrous Convolution").
    #[serde(rename = "deeplabv3")]
    DeepLabV3,
    /// DeepLabV3 with a decoder that adds the map of the first stage (Chen et al. 2018,
    /// "Encoder-Decoder with Atrous Separable Convolution"), here with plain convolutions.
    #[serde(rename = "deeplabv3_plus")]
    DeepLabV3Plus,
}

/// The options of a segmentation network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationConfig {
    /// The residual network, without classifier.
    pub backbone: ResNetConfig,
    /// The head.
    pub head: SegmentationHead,
    /// Number of classes with the background, which is class 0.
    pub num_classes: usize,
    /// Channels of DeepLab's pyramid pooling and decoder.
    pub head_channels: usize,
    /// Dilations of the 3x3 branches of DeepLab's pyramid pooling.
    pub atrous_rates: [usize; 3],
    /// Whether the heads drop out features in training: 10 % in FCN, 50 % in DeepLab.
    pub dropout: bool,
    /// Whether an auxiliary FCN head predicts from the stage before the last.
    pub aux_loss: bool,
}

impl SegmentationConfig {
    /// Returns the config of torchvision's networks on any residual network: output stride 8, 21
    /// classes (Pascal VOC) and an auxiliary head.
    pub fn new(head: SegmentationHead, body: ResNetConfig) -> Self {
        Self {
            backbone: body.with_output_stride(8).with_num_classes(0),
            head,
            num_classes: 21,
            head_channels: 256,
            atrous_rates: [12, 24, 36],
            dropout: true,
            aux_loss: true,
        }
    }

    /// Sets the output stride of the residual network, 8, 16 or 32, and the dilations that DeepLab
    /// uses with it.
    pub fn with_output_stride(mut self, output_stride: usize) -> Self {
        self.backbone = self.backbone.with_output_stride(output_stride);
        self.atrous_rates = [12, 24, 36].map(|rate| rate * 8 / output_stride.max(1));
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first invalid option.
    pub fn validate(&self) -> Result<(), DenseConfigError> {
        self.backbone.validate()?;
        for rate in self.atrous_rates {
            validate::at_least("atrous_rates", rate, 1)?;
        }
        validate::at_least("head_channels", self.head_channels, 1)?;
        validate::at_least("num_classes", self.num_classes, 1)
    }

    fn aspp(&self) -> AsppOptions {
        AsppOptions {
            channels: self.head_channels,
            rates: self.atrous_rates,
            dropout: self.dropout,
        }
    }

    /// Creates the network.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Segmentation<B> {
        let backbone = self.backbone.clone().with_num_classes(0);
        let features = backbone.features();
        let channels = |from_last: usize| {
            let feature = features.len().checked_sub(from_last);
            feature
                .and_then(|i| features.get(i))
                .map_or(1, |feature| feature.channels)
        };
        let fcn = |input: usize| FcnHead::new(input, self.num_classes, self.dropout, device);
        Segmentation {
            backbone: backbone.init(device),
            classifier: match self.head {
                SegmentationHead::Fcn => Classifier::Fcn(fcn(channels(1))),
                SegmentationHead::DeepLabV3 => {
                    let classes = self.num_classes;
                    let aspp = self.aspp();
                    Classifier::DeepLab(DeepLabHead::new(channels(1), aspp, classes, device))
                }
                SegmentationHead::DeepLabV3Plus => {
                    let classes = self.num_classes;
                    let aspp = self.aspp();
                    let channels = [
                        features.get(1).map_or(1, |first| first.channels),
                        channels(1),
                    ];
                    let head = DeepLabPlusHead::new(channels, aspp, classes, device);
                    Classifier::DeepLabPlus(head)
                }
            },
            aux_classifier: self.aux_loss.then(|| fcn(channels(2))),
            config: self.clone(),
        }
    }
}

/// A segmentation network: a dilated residual network and a head, upsampled to the input.
#[derive(Module, Debug)]
pub struct Segmentation<B: Backend> {
    backbone: ResNet<B>,
    classifier: Classifier<B>,
    aux_classifier: Option<FcnHead<B>>,
    #[module(skip)]
    config: SegmentationConfig,
}

#[derive(Module, Debug)]
enum Classifier<B: Backend> {
    Fcn(FcnHead<B>),
    DeepLab(DeepLabHead<B>),
    DeepLabPlus(DeepLabPlusHead<B>),
}

/// The logits of a segmentation network.
#[derive(Clone, Debug)]
pub struct SegmentationOutput<B: Backend> {
    /// Logits of the head, `[batch, classes, height, width]`.
    pub out: Tensor<B, 4>,
    /// Logits of the auxiliary head, with the same shape.
    pub aux: Option<Tensor<B, 4>>,
}

impl<B: Backend> Segmentation<B> {
    /// Returns the config of the network.
    pub fn config(&self) -> &SegmentationConfig {
        &self.config
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
            backbone: change(self.backbone)?,
            ..self
        })
    }

    /// Returns the logits of each pixel.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - output: `[batch, classes, height, width]`
    pub fn forward(&self, x: Tensor<B, 4>) -> SegmentationOutput<B> {
        let [_, _, height, width] = x.dims();
        let stages = self.forward_backbone(x);
        let low = self.forward_heads(&stages);
        let upsample = |logits| resize::bilinear(logits, [height, width]);
        SegmentationOutput {
            out: upsample(low.out),
            aux: low.aux.map(upsample),
        }
    }

    /// Returns the feature maps of all stages.
    pub fn forward_backbone(&self, x: Tensor<B, 4>) -> Pyramid<B> {
        self.backbone.forward_pyramid(x)
    }

    /// Returns the logits before upsampling.
    pub fn forward_heads(&self, stages: &Pyramid<B>) -> SegmentationOutput<B> {
        let last = stages.last().clone();
        let before_last = stages
            .maps()
            .count()
            .checked_sub(2)
            .and_then(|i| stages.maps().nth(i));
        SegmentationOutput {
            out: match &self.classifier {
                Classifier::Fcn(head) => head.forward(last),
                Classifier::DeepLab(head) => head.forward(last),
                Classifier::DeepLabPlus(head) => {
                    let first = stages.maps().nth(1).cloned();
                    head.forward(first.unwrap_or_else(|| last.clone()), last)
                }
            },
            aux: self
                .aux_classifier
                .as_ref()
                .zip(before_last)
                .map(|(head, map)| head.forward(map.clone())),
        }
    }
}

impl<B: Backend> Network<B> for Segmentation<B> {
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.backbone.each_norm(each);
        match &mut self.classifier {
            Classifier::Fcn(head) => head.each_norm(each),
            Classifier::DeepLab(head) => head.each_norm(each),
            Classifier::DeepLabPlus(head) => head.each_norm(each),
        }
        if let Some(head) = &mut self.aux_classifier {
            head.each_norm(each);
        }
    }

    fn fuse(mut self) -> Self {
        self.backbone = self.backbone.fuse();
        match &mut self.classifier {
            Classifier::Fcn(head) => head.fuse(),
            Classifier::DeepLab(head) => head.fuse(),
            Classifier::DeepLabPlus(head) => head.fuse(),
        }
        self.aux_classifier.iter_mut().for_each(FcnHead::fuse);
        self
    }

    fn layer_group(&self, key: &str) -> LayerGroup {
        match key.strip_prefix("backbone.") {
            Some(key) => self.backbone.layer_group(key),
            None => LayerGroup::Head,
        }
    }

    fn is_predictor(&self, key: &str) -> bool {
        let classifier = match self.config.head {
            SegmentationHead::DeepLabV3Plus => "classifier.classifier.3.",
            SegmentationHead::Fcn | SegmentationHead::DeepLabV3 => "classifier.4.",
        };
        key.starts_with(classifier) || key.starts_with("aux_classifier.4.")
    }
}
