//! Decoding of sequential images that `zune-jpeg` decodes differently: components in several scans,
//! or unusual sampling factors. Uses libjpeg's inverse DCT and upsampling.

use super::bits::{Bits, Fault, Table};
use super::frame::{Color, Component, Frame};
use super::idct::{inverse, natural};
use super::{DecodeError, FORMAT};

/// The samples of all components.
pub(super) struct Planes(Vec<Plane>);

struct Plane {
    /// The samples, row by row. Width and height are rounded up to whole 8x8 blocks.
    samples: Vec<u8>,
    stride: usize,
    /// The number of samples that belong to the image.
    width: usize,
    height: usize,
    /// The width in pixels that a sample covers (more than 1 if the chroma is subsampled).
    across: usize,
    /// The height in pixels that a sample covers.
    down: usize,
    quantization: Option<[u16; 64]>,
    /// The last DC coefficient.
    level: i32,
}

impl Planes {
    /// Allocates the planes.
    pub(super) fn new(frame: &Frame) -> Result<Self, DecodeError> {
        let most = |factor: fn(&Component) -> usize| frame.components.iter().map(factor).max();
        let (Some(across), Some(down)) = (most(|c| c.across), most(|c| c.down)) else {
            return Ok(Self(Vec::new()));
        };
        let (width, height) = (usize::from(frame.width), usize::from(frame.height));
        let plane = |component: &Component| {
            if across % component.across != 0 || down % component.down != 0 {
                let what = "sampling factors that do not divide each other";
                return Err(DecodeError::unsupported(FORMAT, what));
            }
            Ok(Plane {
                samples: vec![0; 64 * component.columns * component.rows],
                stride: 8 * component.columns,
                width: (width * component.across).div_ceil(across),
                height: (height * component.down).div_ceil(down),
                across: across / component.across,
                down: down / component.down,
                quantization: None,
                level: 0,
            })
        };
        frame
            .components
            .iter()
            .map(plane)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Stores the quantization table of a component for its scan.
    pub(super) fn start(&mut self, place: usize, quantization: Option<[u16; 64]>) {
        self.0[place].quantization = quantization;
    }

    /// Starts a restart interval.
    pub(super) fn restart(&mut self) {
        self.0.iter_mut().for_each(|plane| plane.level = 0);
    }

    /// Decodes a block. Drops a block outside the plane, which only fills up a unit.
    pub(super) fn block(
        &mut self,
        place: usize,
        (column, row): (usize, usize),
        bits: &mut Bits<'_>,
        (dc, ac): (&Table, &Table),
    ) -> Result<(), Fault> {
        let plane = &mut self.0[place];
        let quantization = plane.quantization.as_ref().ok_or(Fault::Damaged)?;
        let mut block = [0; 64];
        let length = dc.symbol(bits)?;
        plane.level = plane.level.wrapping_add(value(bits, length)?);
        block[0] = i32::from(plane.level as i16) * i32::from(quantization[0]);
        let mut at = 1;
        while at < 64 {
            let symbol = ac.symbol(bits)?;
            let (run, length) = (usize::from(symbol >> 4), symbol & 15);
            if length == 0 {
                if run < 15 {
                    break;
                }
                at += 16;
                continue;
            }
            at += run;
            let value = value(bits, length)?;
            if let Some(place) = natural(at) {
                block[place] = i32::from(value as i16) * i32::from(quantization[at]);
            }
            at += 1;
        }
        let start = 8 * row * plane.stride + 8 * column;
        if 8 * column < plane.stride && start < plane.samples.len() {
            inverse(&block, &mut plane.samples[start..], plane.stride);
        }
        Ok(())
    }

    /// Upsamples and converts the components, row by row.
    pub(super) fn rows(self, color: Color, frame: &Frame, mut put: impl FnMut(usize, &[u8])) {
        let (width, height) = (usize::from(frame.width), usize::from(frame.height));
        let mut line = vec![0; width * self.0.len()];
        let mut samples = vec![0; width + 8];
        for y in 0..height {
            for (place, plane) in self.0.iter().enumerate() {
                plane.row(y, &mut samples);
                let targets = line.iter_mut().skip(place).step_by(self.0.len());
                targets
                    .zip(&samples)
                    .for_each(|(target, &sample)| *target = sample);
            }
            super::convert_line(&mut line, color);
            put(y, &line);
        }
    }
}

/// Reads the signed value with this number of bits.
fn value(bits: &mut Bits<'_>, length: u8) -> Result<i32, Fault> {
    let read = bits.read(length.into())? as i32;
    let negative = length > 0 && read < 1 << (length - 1);
    Ok(if negative {
        read + 1 - (1 << length)
    } else {
        read
    })
}

impl Plane {
    fn line(&self, row: usize) -> &[u8] {
        &self.samples[row.min(self.height - 1) * self.stride..][..self.width]
    }

    /// Computes row `y` of the image with libjpeg's fancy upsampling by two. Repeats samples for
    /// other factors.
    fn row(&self, y: usize, out: &mut [u8]) {
        let row = y / self.down;
        let near = self.line(row);
        // The second nearest row. The nearest one has three quarters of the weight.
        let below = y % 2 == 1;
        let far = self.line(if below {
            row + 1
        } else {
            row.saturating_sub(1)
        });
        let is_wide = self.width > 2;
        match (self.across, self.down) {
            (2, 1) if is_wide => {
                spread(out, self.width, 2, [1, 2], |x| i32::from(near[x]));
            }
            (1, 2) => {
                let bias = if below { 2 } else { 1 };
                for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
                    *out = ((3 * i32::from(near) + i32::from(far) + bias) >> 2) as u8;
                }
            }
            (2, 2) if is_wide => {
                let sum = |x: usize| 3 * i32::from(near[x]) + i32::from(far[x]);
                spread(out, self.width, 4, [8, 7], sum);
            }
            (across, _) => {
                for (out, &sample) in out.chunks_mut(across).zip(near) {
                    out.fill(sample);
                }
            }
        }
    }
}

/// Computes two pixels from each sample, with a quarter of each from the neighboring sample.
fn spread(out: &mut [u8], width: usize, shift: u32, bias: [i32; 2], sample: impl Fn(usize) -> i32) {
    for (x, pair) in out.chunks_exact_mut(2).take(width).enumerate() {
        let here = sample(x);
        let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
        pair[0] = ((3 * here + sample(left) + bias[0]) >> shift) as u8;
        pair[1] = ((3 * here + sample(right) + bias[1]) >> shift) as u8;
    }
}
