use image::{GrayImage, RgbImage, RgbaImage};

/// The channels of an image, with the meaning of Pillow's modes `L`, `RGB` and `RGBA`.
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
    /// One channel, the luma: `convert("L")`.
    Gray,
    /// Red, green and blue: `convert("RGB")`.
    #[default]
    Rgb,
    /// Red, green, blue and alpha, not premultiplied: `convert("RGBA")`.
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

/// A number of channels that no image has here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected 1 (gray), 3 (RGB) or 4 (RGBA) channels, found {found}")]
pub struct ChannelsError {
    found: usize,
}

/// An image of 8 bits a channel, with one, three or four channels.
///
/// ```
/// use resnet_image::{Channels, Pixels, RgbImage};
///
/// let pixels = Pixels::from(RgbImage::new(3, 2));
/// assert_eq!(pixels.channels(), Channels::Rgb);
/// assert_eq!(pixels.dimensions(), (3, 2));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pixels {
    /// One channel.
    Gray(GrayImage),
    /// Red, green and blue.
    Rgb(RgbImage),
    /// Red, green, blue and alpha.
    Rgba(RgbaImage),
}

impl Pixels {
    /// Returns the channels.
    pub fn channels(&self) -> Channels {
        match self {
            Self::Gray(_) => Channels::Gray,
            Self::Rgb(_) => Channels::Rgb,
            Self::Rgba(_) => Channels::Rgba,
        }
    }

    /// Returns width and height.
    pub fn dimensions(&self) -> (u32, u32) {
        match self {
            Self::Gray(image) => image.dimensions(),
            Self::Rgb(image) => image.dimensions(),
            Self::Rgba(image) => image.dimensions(),
        }
    }

    /// Returns the samples, pixel by pixel and row by row.
    pub fn as_raw(&self) -> &[u8] {
        match self {
            Self::Gray(image) => image.as_raw(),
            Self::Rgb(image) => image.as_raw(),
            Self::Rgba(image) => image.as_raw(),
        }
    }

    /// Returns the image if it has three channels, and itself if not.
    ///
    /// # Errors
    /// The image as it is, if it has one or four channels.
    pub fn into_rgb(self) -> Result<RgbImage, Self> {
        match self {
            Self::Rgb(image) => Ok(image),
            other => Err(other),
        }
    }
}

impl From<GrayImage> for Pixels {
    fn from(image: GrayImage) -> Self {
        Self::Gray(image)
    }
}

impl From<RgbImage> for Pixels {
    fn from(image: RgbImage) -> Self {
        Self::Rgb(image)
    }
}

impl From<RgbaImage> for Pixels {
    fn from(image: RgbaImage) -> Self {
        Self::Rgba(image)
    }
}
