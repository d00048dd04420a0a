//! Images with 8 bits per channel.

use image::{GrayImage, RgbImage, RgbaImage};

use crate::channels::Channels;
use crate::convert::convert;

/// An image with 8 bits per channel and one, three or four channels.
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
    /// Creates an image of zeros.
    pub fn new(width: u32, height: u32, channels: Channels) -> Self {
        match channels {
            Channels::Gray => Self::Gray(GrayImage::new(width, height)),
            Channels::Rgb => Self::Rgb(RgbImage::new(width, height)),
            Channels::Rgba => Self::Rgba(RgbaImage::new(width, height)),
        }
    }

    /// Returns the channels.
    pub fn channels(&self) -> Channels {
        match self {
            Self::Gray(_) => Channels::Gray,
            Self::Rgb(_) => Channels::Rgb,
            Self::Rgba(_) => Channels::Rgba,
        }
    }

    /// Returns the width and height.
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

    /// Returns the samples for modification, pixel by pixel and row by row.
    pub fn as_raw_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Gray(image) => image,
            Self::Rgb(image) => image,
            Self::Rgba(image) => image,
        }
    }

    /// Converts to other channels, as Pillow's `convert` does.
    ///
    /// Gray is the luma of a color. A color from gray has three equal channels. A new alpha channel
    /// is opaque; an unneeded one is dropped.
    ///
    /// ```
    /// use image::Rgb;
    /// use resnet_image::{Channels, Pixels, RgbImage};
    ///
    /// let red = Pixels::from(RgbImage::from_pixel(1, 1, Rgb([255, 0, 0])));
    /// assert_eq!(red.clone().convert(Channels::Gray).as_raw(), [76]); // 0.299 * 255
    /// assert_eq!(red.convert(Channels::Rgba).as_raw(), [255, 0, 0, 255]);
    /// ```
    pub fn convert(self, channels: Channels) -> Self {
        if self.channels() == channels {
            return self;
        }
        let (width, height) = self.dimensions();
        let mut image = Self::new(width, height, channels);
        convert(self.as_raw(), self.channels(), image.as_raw_mut(), channels);
        image
    }

    /// Converts to RGB, as [`convert`](Self::convert) does.
    pub fn into_rgb(self) -> RgbImage {
        match self {
            Self::Rgb(image) => image,
            other => {
                let (width, height) = other.dimensions();
                let mut image = RgbImage::new(width, height);
                convert(other.as_raw(), other.channels(), &mut image, Channels::Rgb);
                image
            }
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

/// An image with 8 bits per channel that can be normalized into a batch.
pub trait AsSamples: Sync {
    /// Returns the channels.
    fn channels(&self) -> Channels;

    /// Returns the width and height.
    fn dimensions(&self) -> (u32, u32);

    /// Returns the samples, pixel by pixel and row by row.
    fn as_samples(&self) -> &[u8];
}

impl AsSamples for Pixels {
    fn channels(&self) -> Channels {
        self.channels()
    }

    fn dimensions(&self) -> (u32, u32) {
        self.dimensions()
    }

    fn as_samples(&self) -> &[u8] {
        self.as_raw()
    }
}

macro_rules! as_samples {
    ($image:ty, $channels:expr) => {
        impl AsSamples for $image {
            fn channels(&self) -> Channels {
                $channels
            }

            fn dimensions(&self) -> (u32, u32) {
                self.dimensions()
            }

            fn as_samples(&self) -> &[u8] {
                self.as_raw()
            }
        }
    };
}

as_samples!(GrayImage, Channels::Gray);
as_samples!(RgbImage, Channels::Rgb);
as_samples!(RgbaImage, Channels::Rgba);
