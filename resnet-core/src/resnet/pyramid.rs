//! The feature maps of a network.

use alloc::vec::Vec;

use burn::tensor::{Tensor, backend::Backend};

/// The feature maps of one forward pass, from the largest to the smallest.
///
/// Every map is `[batch, channels, height, width]`.
/// [`ResNetConfig::features`](crate::ResNetConfig::features) gives the channels and strides without
/// a pass. A ResNet-50 has 64, 256, 512, 1024 and 2048 channels at strides 2, 4, 8, 16 and 32.
///
/// ```
/// use burn::backend::Flex;
/// use burn::tensor::Tensor;
/// use resnet_core::{Arch, Pyramid, ResNet};
///
/// let device = Default::default();
/// let images = Tensor::zeros([1, 3, 64, 64], &device);
/// let model: ResNet<Flex> = Arch::ResNet18.config().init(&device);
/// let Pyramid { c2, c3: Some(c3), c4: Some(c4), c5: Some(c5), .. } = model.forward_pyramid(images) else {
///     panic!("a ResNet-18 has four stages");
/// };
/// assert_eq!([c2.dims(), c3.dims()], [[1, 64, 16, 16], [1, 128, 8, 8]]);
/// assert_eq!([c4.dims(), c5.dims()], [[1, 256, 4, 4], [1, 512, 2, 2]]);
/// ```
#[derive(Clone, Debug)]
pub struct Pyramid<B: Backend> {
    /// Output of the stem, before its pool.
    pub c1: Tensor<B, 4>,
    /// Output of the first stage, `layer1`.
    pub c2: Tensor<B, 4>,
    /// Output of the second stage, `layer2`; `None` if the network has fewer stages.
    pub c3: Option<Tensor<B, 4>>,
    /// Output of the third stage, `layer3`; `None` if the network has fewer stages.
    pub c4: Option<Tensor<B, 4>>,
    /// Output of the fourth stage, `layer4`; `None` if the network has fewer stages, like CIFAR
    /// networks.
    pub c5: Option<Tensor<B, 4>>,
}

impl<B: Backend> Pyramid<B> {
    /// Returns the feature maps that the network has, `c1` first.
    pub fn maps(&self) -> impl Iterator<Item = &Tensor<B, 4>> {
        let later = [&self.c3, &self.c4, &self.c5].into_iter().flatten();
        [&self.c1, &self.c2].into_iter().chain(later)
    }

    /// Converts into the feature maps that the network has, `c1` first.
    pub fn into_maps(self) -> Vec<Tensor<B, 4>> {
        let later = [self.c3, self.c4, self.c5].into_iter().flatten();
        [self.c1, self.c2].into_iter().chain(later).collect()
    }

    /// Returns the feature map of the last stage.
    pub fn last(&self) -> &Tensor<B, 4> {
        let later = [&self.c5, &self.c4, &self.c3];
        later.into_iter().flatten().next().unwrap_or(&self.c2)
    }
}
