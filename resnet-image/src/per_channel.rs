//! One number per channel: a mean or a standard deviation.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::channels::{Channels, ChannelsError};

/// One number for each of one, three or four channels, such as the means of a preprocessing.
///
/// Serializes as a list.
///
/// ```
/// use resnet_image::PerChannel;
///
/// let gray = PerChannel::from([0.5]);
/// assert_eq!(gray.len(), 1);
/// assert_eq!(PerChannel::try_from(&[0.1, 0.2, 0.3][..]), Ok([0.1, 0.2, 0.3].into()));
/// assert!(PerChannel::try_from(&[0.1, 0.2][..]).is_err());
/// ```
#[derive(Clone, Copy, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct PerChannel {
    channels: Channels,
    /// Unused entries are zero.
    values: [f32; 4],
}

impl PerChannel {
    /// Returns the channels of the numbers.
    pub fn channels(&self) -> Channels {
        self.channels
    }
}

impl Deref for PerChannel {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[..self.channels.count()]
    }
}

impl fmt::Debug for PerChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl From<[f32; 1]> for PerChannel {
    fn from([gray]: [f32; 1]) -> Self {
        Self {
            channels: Channels::Gray,
            values: [gray, 0.0, 0.0, 0.0],
        }
    }
}

impl From<[f32; 3]> for PerChannel {
    fn from([red, green, blue]: [f32; 3]) -> Self {
        Self {
            channels: Channels::Rgb,
            values: [red, green, blue, 0.0],
        }
    }
}

impl From<[f32; 4]> for PerChannel {
    fn from(values: [f32; 4]) -> Self {
        Self {
            channels: Channels::Rgba,
            values,
        }
    }
}

impl TryFrom<&[f32]> for PerChannel {
    type Error = ChannelsError;

    fn try_from(numbers: &[f32]) -> Result<Self, Self::Error> {
        let channels = Channels::try_from(numbers.len())?;
        let mut values = [0.0; 4];
        values[..numbers.len()].copy_from_slice(numbers);
        Ok(Self { channels, values })
    }
}

impl TryFrom<Vec<f32>> for PerChannel {
    type Error = ChannelsError;

    fn try_from(numbers: Vec<f32>) -> Result<Self, Self::Error> {
        Self::try_from(&numbers[..])
    }
}

impl From<PerChannel> for Vec<f32> {
    fn from(numbers: PerChannel) -> Self {
        numbers.to_vec()
    }
}

impl<const N: usize> PartialEq<[f32; N]> for PerChannel {
    fn eq(&self, other: &[f32; N]) -> bool {
        **self == other[..]
    }
}

impl<const N: usize> PartialEq<PerChannel> for [f32; N] {
    fn eq(&self, other: &PerChannel) -> bool {
        other == self
    }
}
