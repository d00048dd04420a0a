//! Scales, zero points and rounding.

use alloc::vec::Vec;

/// Scale and zero point of 8-bit activations. The value of `q` is `(q - zero_point) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Difference between the values of adjacent integers.
    pub scale: f32,
    /// The integer whose value is 0.
    pub zero_point: u8,
}

impl Quantization {
    /// Returns the value of an integer.
    #[inline(always)]
    pub fn dequantize(self, q: u8) -> f32 {
        (i32::from(q) - i32::from(self.zero_point)) as f32 * self.scale
    }
}

/// Rounds values to integers within limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) zero: i32,
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Round {
    /// Adding it to a number below 2^22 rounds the number to an integer, which is then in the low
    /// bits.
    pub(super) const SHIFT: f32 = 12_582_912.0;

    /// Integers from `low` to 255.
    pub(super) fn new(zero_point: u8, low: u8) -> Self {
        let zero = f32::from(zero_point);
        Self {
            zero: zero_point.into(),
            low: f32::from(low) - zero,
            high: 255.0 - zero,
        }
    }

    /// Rounds half to even, adds the zero point, and limits the result. NaN becomes the least
    /// integer.
    #[inline(always)]
    pub(super) fn byte(self, x: f32) -> u8 {
        let x = if x > self.low { x } else { self.low };
        let x = if x < self.high { x } else { self.high };
        ((x + Self::SHIFT).to_bits() as i32).wrapping_add(self.zero) as u8
    }
}

/// The conversion of a convolution's sums to the activations of its output:
/// `round((sum + bias) * multiplier + residual) + zero_point`, from `low` to 255.
#[derive(Clone, Debug)]
pub struct Requantize {
    pub(super) bias: Vec<f32>,
    pub(super) multiplier: Vec<f32>,
    pub(super) round: Round,
    /// Zero point of the residual, and its scale divided by the scale of the output.
    pub(super) residual: Option<(i32, f32)>,
    channels: usize,
}

impl Requantize {
    /// Creates the conversion.
    ///
    /// - `bias`: bias of each channel, in units of the sums
    /// - `multiplier`: scale of the sums of each channel, divided by the scale of the output
    /// - `zero_point`: the integer whose value is 0
    /// - `low`: the least output: the zero point for a ReLU, else 0
    ///
    /// # Panics
    ///
    /// Panics if the numbers of channels differ.
    pub fn new(bias: &[f32], multiplier: &[f32], zero_point: u8, low: u8) -> Self {
        assert_eq!(bias.len(), multiplier.len(), "channels");
        Self {
            bias: whole(bias),
            multiplier: whole(multiplier),
            round: Round::new(zero_point, low),
            residual: None,
            channels: bias.len(),
        }
    }

    /// Adds a residual with a zero point. `ratio` is its scale divided by the scale of the output.
    #[must_use]
    pub fn with_residual(self, zero_point: u8, ratio: f32) -> Self {
        Self {
            residual: Some((zero_point.into(), ratio)),
            ..self
        }
    }

    /// Returns the number of channels.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }
}

/// The conversion of a convolution's sums to floats: `(sum + bias) * multiplier + residual`, then the
/// ReLU if `relu` is true.
#[derive(Clone, Debug)]
pub struct Dequantize {
    pub(super) bias: Vec<f32>,
    pub(super) multiplier: Vec<f32>,
    pub(super) relu: bool,
    channels: usize,
}

impl Dequantize {
    /// Creates the conversion from the bias in units of the sums and the scale of the sums of each
    /// channel.
    ///
    /// # Panics
    ///
    /// Panics if the numbers of channels differ.
    pub fn new(bias: &[f32], multiplier: &[f32], relu: bool) -> Self {
        assert_eq!(bias.len(), multiplier.len(), "channels");
        Self {
            bias: whole(bias),
            multiplier: whole(multiplier),
            relu,
            channels: bias.len(),
        }
    }

    /// Returns the number of channels.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }
}

/// Most channels that a kernel converts at a time: four vectors of 16.
pub(super) const MOST: usize = 64;

/// Appends zeros, so that a kernel may read [`MOST`] values from any channel on.
fn whole(values: &[f32]) -> Vec<f32> {
    let mut whole = Vec::with_capacity(values.len() + MOST);
    whole.extend_from_slice(values);
    whole.resize(values.len() + MOST, 0.0);
    whole
}
