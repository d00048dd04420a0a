//! The outputs of a network.

use alloc::vec::Vec;

use resnet_kernels::layout::transpose;
use resnet_kernels::sizes::Dims;

/// The outputs to compute.
///
/// ```
/// use resnet_engine::Outputs;
///
/// let both = Outputs { embedding: true, ..Outputs::LOGITS };
/// assert!(both.logits && both.embedding && !both.c5);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// The output of the classifier.
    pub logits: bool,
    /// The input of the classifier.
    pub embedding: bool,
    /// The output of the stem, before its pool.
    pub c1: bool,
    /// The output of the first stage.
    pub c2: bool,
    /// The output of the second stage.
    pub c3: bool,
    /// The output of the third stage.
    pub c4: bool,
    /// The output of the fourth stage.
    pub c5: bool,
}

impl Outputs {
    /// The logits only.
    pub const LOGITS: Self = Self {
        logits: true,
        ..Self::NONE
    };

    /// The embedding only.
    pub const EMBEDDING: Self = Self {
        embedding: true,
        ..Self::NONE
    };

    /// Nothing, to start from.
    pub const NONE: Self = Self {
        logits: false,
        embedding: false,
        c1: false,
        c2: false,
        c3: false,
        c4: false,
        c5: false,
    };

    /// Returns whether each feature map from `c1` to `c5` is requested.
    pub(crate) fn maps(self) -> [bool; 5] {
        [self.c1, self.c2, self.c3, self.c4, self.c5]
    }
}

/// The results of a run. They borrow the memory of the session.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a> {
    pub(crate) logits: Option<&'a [f32]>,
    pub(crate) embedding: Option<&'a [f32]>,
    pub(crate) maps: [Option<FeatureMap<'a>>; 5],
}

impl<'a> Results<'a> {
    /// Returns the logits, `[batch, num_classes]`, or `None` if they were not requested.
    pub fn logits(&self) -> Option<&'a [f32]> {
        self.logits
    }

    /// Returns the embedding, `[batch, num_features]`, or `None` if it was not requested.
    pub fn embedding(&self) -> Option<&'a [f32]> {
        self.embedding
    }

    /// Returns the feature map `c1` to `c5` for the numbers 1 to 5, or `None` if it was not
    /// requested.
    pub fn map(&self, number: usize) -> Option<FeatureMap<'a>> {
        *self.maps.get(number.checked_sub(1)?)?
    }
}

/// A feature map.
#[derive(Clone, Copy, Debug)]
pub struct FeatureMap<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) dims: Dims,
}

impl<'a> FeatureMap<'a> {
    /// Returns batch, channels, height and width.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Returns the values, `[batch, height, width, channels]`.
    pub fn channels_last(&self) -> &'a [f32] {
        self.values
    }

    /// Copies the values to PyTorch's order, `[batch, channels, height, width]`.
    pub fn to_channels_first(&self) -> Vec<f32> {
        let [batch, channels, height, width] = self.dims;
        transpose(self.values, batch, height * width, channels)
    }
}
