//! Preprocessing of images in detectors (torchvision's `GeneralizedRCNNTransform`).

use burn::tensor::{Tensor, TensorData, backend::Backend};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ops::resize::{Taps, bilinear_taps};
use crate::validate::{self, DenseConfigError};

/// An image on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageTensor {
    size: [usize; 2],
    channels: usize,
    samples: Samples,
}

#[derive(Clone, Debug, PartialEq)]
enum Samples {
    /// Values in `[0, 1]`, `[channels, height, width]`.
    Floats(Vec<f32>),
    /// `[height, width, channels]`
    Bytes(Vec<u8>),
}

impl ImageTensor {
    /// Creates an image of `[height, width]` pixels from values in `[0, 1]`.
    ///
    /// # Shapes
    /// - `values`: `[channels, height, width]`
    ///
    /// # Panics
    ///
    /// Panics if the number of values is not a positive multiple of the pixels.
    pub fn from_floats(size: [usize; 2], values: Vec<f32>) -> Self {
        Self {
            channels: channels(values.len(), size),
            size,
            samples: Samples::Floats(values),
        }
    }

    /// Creates an image of `[height, width]` pixels from bytes. It needs no memory for floats before
    /// it is resized.
    ///
    /// # Shapes
    /// - `bytes`: `[height, width, channels]`
    ///
    /// # Panics
    ///
    /// Panics if the number of bytes is not a positive multiple of the pixels.
    pub fn from_bytes(size: [usize; 2], bytes: Vec<u8>) -> Self {
        Self {
            channels: channels(bytes.len(), size),
            size,
            samples: Samples::Bytes(bytes),
        }
    }

    /// Returns height and width.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Returns the bytes, `[height, width, channels]`, of an image from
    /// [`from_bytes`](Self::from_bytes).
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.samples {
            Samples::Bytes(bytes) => Some(bytes),
            Samples::Floats(_) => None,
        }
    }

    /// Returns the number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Writes a row of a resized and normalized channel.
    fn write_row(&self, channel: usize, row: &Taps, columns: &[Taps], norm: Norm, out: &mut [f32]) {
        let [height, width] = self.size;
        match &self.samples {
            Samples::Floats(values) => {
                let plane = &values[channel * height * width..][..height * width];
                write_row(row, columns, out, |y, x| norm.apply(plane[y * width + x]));
            }
            Samples::Bytes(bytes) => {
                let count = self.channels;
                write_row(row, columns, out, |y, x| {
                    let byte = bytes[(y * width + x) * count + channel];
                    norm.apply(f32::from(byte) / 255.0)
                });
            }
        }
    }
}

fn channels(samples: usize, [height, width]: [usize; 2]) -> usize {
    let pixels = height * width;
    assert!(
        pixels > 0 && samples > 0 && samples.is_multiple_of(pixels),
        "expected a positive multiple of {height} x {width} samples, found {samples}"
    );
    samples / pixels
}

/// The normalization of a channel.
#[derive(Clone, Copy)]
struct Norm {
    mean: f32,
    std: f32,
}

impl Norm {
    fn apply(self, value: f32) -> f32 {
        (value - self.mean) / self.std
    }
}

/// Writes a row of a bilinearly resized image. `at` returns the pixel `[y, x]`.
fn write_row(row: &Taps, columns: &[Taps], out: &mut [f32], at: impl Fn(usize, usize) -> f32) {
    for (out, column) in out.iter_mut().zip(columns) {
        let line = |i: usize| {
            let y = row.at[i];
            at(y, column.at[0]) * column.weight[0] + at(y, column.at[1]) * column.weight[1]
        };
        *out = line(0) * row.weight[0] + line(1) * row.weight[1];
    }
}

/// The preprocessing of a detector: normalize, resize, pad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformConfig {
    /// Length of the shorter side after resizing. Training draws one of several; inference takes
    /// the last.
    pub min_size: Vec<usize>,
    /// Limit of the longer side after resizing.
    pub max_size: usize,
    /// Mean of each channel.
    pub image_mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub image_std: Vec<f32>,
    /// Sides of padded images are multiples of this number.
    #[serde(default = "size_divisible")]
    pub size_divisible: usize,
    /// Width and height of all images after resizing, instead of `min_size` and `max_size`.
    #[serde(default)]
    pub fixed_size: Option<[usize; 2]>,
}

fn size_divisible() -> usize {
    32
}

impl Default for TransformConfig {
    fn default() -> Self {
        Self {
            min_size: vec![800],
            max_size: 1333,
            image_mean: vec![0.485, 0.456, 0.406],
            image_std: vec![0.229, 0.224, 0.225],
            size_divisible: size_divisible(),
            fixed_size: None,
        }
    }
}

/// Padded images and their sizes.
#[derive(Clone, Debug)]
pub struct ImageBatch<B: Backend> {
    /// Normalized images with zeros at the right and bottom, `[batch, channels, height, width]`.
    pub images: Tensor<B, 4>,
    /// Height and width of each image after resizing, before padding.
    pub sizes: Vec<[usize; 2]>,
    /// Height and width of each image before resizing.
    pub original_sizes: Vec<[usize; 2]>,
}

impl TransformConfig {
    /// Checks the options for images with this number of channels.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first invalid option.
    pub fn validate(&self, channels: usize) -> Result<(), DenseConfigError> {
        validate::at_least("number of `min_size`", self.min_size.len(), 1)?;
        for size in self.min_size.iter().chain([&self.max_size]) {
            validate::at_least("min_size and max_size", *size, 1)?;
        }
        validate::at_least("size_divisible", self.size_divisible, 1)?;
        for side in self.fixed_size.iter().flatten() {
            validate::at_least("fixed_size", *side, 1)?;
        }
        for (option, values) in [
            ("image_mean", &self.image_mean),
            ("image_std", &self.image_std),
        ] {
            if values.len() != channels {
                let expected = format!("{channels} values, one per input channel");
                return Err(validate::invalid(option, expected, values.len()));
            }
            let valid = |value: &f32| value.is_finite() && (option == "image_mean" || *value > 0.0);
            if let Some(value) = values.iter().find(|value| !valid(value)) {
                return Err(validate::invalid(
                    option,
                    "finite numbers, above 0 for `image_std`",
                    value,
                ));
            }
        }
        Ok(())
    }

    /// Returns the size after resizing: the shorter side gets `min_size` pixels, unless the longer
    /// side would exceed `max_size`. `fixed_size` replaces both. Arithmetic has float64 precision and truncates.
    pub fn resized(&self, [height, width]: [usize; 2], min_size: usize) -> [usize; 2] {
        if let Some([width, height]) = self.fixed_size {
            return [height, width];
        }
        let [short, long] = [height.min(width), height.max(width)].map(|side| side as f64);
        let scale = (min_size as f64 / short).min(self.max_size as f64 / long);
        [height, width].map(|side| ((side as f64 * scale) as usize).max(1))
    }

    /// Returns the height and width of a batch of images of these sizes in inference.
    pub fn padded(&self, sizes: impl Iterator<Item = [usize; 2]>) -> [usize; 2] {
        let min_size = self.min_size.last().copied().unwrap_or(800);
        let sizes: Vec<_> = sizes.map(|size| self.resized(size, min_size)).collect();
        self.padded_to(&sizes)
    }

    /// Returns the smallest allowed size that contains all sizes.
    fn padded_to(&self, sizes: &[[usize; 2]]) -> [usize; 2] {
        [0, 1].map(|side| {
            let largest = sizes.iter().map(|size| size[side]).max().unwrap_or(1);
            largest
                .checked_next_multiple_of(self.size_divisible)
                .unwrap_or(usize::MAX)
        })
    }

    /// Normalizes and resizes the images, and pads them to one size.
    ///
    /// # Panics
    ///
    /// Panics if an image has another number of channels than the mean.
    pub fn forward<B: Backend>(&self, images: &[ImageTensor], device: &B::Device) -> ImageBatch<B> {
        let min_size = self.min_size.last().copied().unwrap_or(800);
        self.forward_at(images, &vec![min_size; images.len()], device)
    }

    /// Normalizes and resizes the images, the shorter side of each to a given length, and pads them
    /// to one size.
    ///
    /// # Panics
    ///
    /// Panics as [`forward`](Self::forward), and if there are fewer lengths than images.
    pub fn forward_at<B: Backend>(
        &self,
        images: &[ImageTensor],
        min_sizes: &[usize],
        device: &B::Device,
    ) -> ImageBatch<B> {
        let channels = self.image_mean.len();
        assert!(
            images.len() <= min_sizes.len(),
            "expected one size per image"
        );
        let original_sizes: Vec<_> = images.iter().map(ImageTensor::size).collect();
        let sizes: Vec<_> = original_sizes
            .iter()
            .zip(min_sizes)
            .map(|(size, min_size)| self.resized(*size, *min_size))
            .collect();
        let [height, width] = self.padded_to(&sizes);
        let taps = |(from, to): (&[usize; 2], &[usize; 2])| {
            [0, 1].map(|side| bilinear_taps(from[side], to[side]))
        };
        let taps: Vec<[Vec<Taps>; 2]> = original_sizes.iter().zip(&sizes).map(taps).collect();
        for image in images {
            let found = image.channels();
            assert_eq!(found, channels, "expected {channels} channels");
        }
        let mut values = vec![0.0_f32; images.len() * channels * height * width];
        let lines = values.par_chunks_mut(width).enumerate();
        lines.for_each(|(line, out)| {
            let (plane, y) = (line / height, line % height);
            let (image, channel) = (plane / channels, plane % channels);
            let [rows, columns] = &taps[image];
            if let Some(row) = rows.get(y) {
                let norm = Norm {
                    mean: self.image_mean[channel],
                    std: self.image_std[channel],
                };
                images[image].write_row(channel, row, columns, norm, out);
            }
        });
        let shape = [images.len(), channels, height, width];
        ImageBatch {
            images: Tensor::from_data(TensorData::new(values, shape), device),
            sizes,
            original_sizes,
        }
    }
}

impl<B: Backend> ImageBatch<B> {
    /// Returns height and width of the padded images.
    pub fn padded(&self) -> [usize; 2] {
        let [_, _, height, width] = self.images.dims();
        [height, width]
    }
}
