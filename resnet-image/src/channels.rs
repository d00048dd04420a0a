//! The channels of an image: gray, RGB or RGBA.

use std::fmt;

/// The channels of an image, equivalent to Pillow's modes `L`, `RGB` and `RGBA`.
///
/// ```
/// use resnet_image::Channels;
///
/// assert_eq!(Channels::try_from(4), Ok(Channels::Rgba));
/// assert_eq!(Channels::Gray.count(), 1);
/// assert!(Channels::try_from(2).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Channels {
    /// One channel, the luma, as from `convert("L")`.
    Gray,
    /// Red, green and blue, as from `convert("RGB")`.
    #[default]
    Rgb,
    /// Red, green, blue and alpha, not premultiplied, as from `convert("RGBA")`.
    Rgba,
}

impl Channels {
    /// Returns the number of channels.
    pub const fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gray => "gray",
            Self::Rgb => "RGB",
            Self::Rgba => "RGBA",
        })
    }
}

impl TryFrom<usize> for Channels {
    type Error = ChannelsError;

    fn try_from(count: usize) -> Result<Self, Self::Error> {
        match count {
            1 => Ok(Self::Gray),
            3 => Ok(Self::Rgb),
            4 => Ok(Self::Rgba),
            found => Err(ChannelsError { found }),
        }
    }
}

/// An unsupported number of channels.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected 1 (gray), 3 (RGB) or 4 (RGBA) channels, found {found}")]
#[non_exhaustive]
pub struct ChannelsError {
    found: usize,
}
