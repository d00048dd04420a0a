//! RoIAlign: features of a box, resampled to a fixed size (He et al. 2017, Mask R-CNN, section 3).

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use resnet_fused::Bags;

use super::bags::embedding_bag;
use super::boxes::{Box4, area};

/// A box on an image of the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roi {
    /// Index of the image in the batch.
    pub image: usize,
    /// Box in pixels of the padded image.
    pub corners: Box4,
}

/// The options of torchvision's `roi_align`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlign {
    /// Height and width of the output.
    pub output: [usize; 2],
    /// Ratio of the feature map's size to the image's size.
    pub spatial_scale: f32,
    /// Samples per bin and side; 0 for the number of feature-map pixels that a bin covers.
    pub sampling_ratio: usize,
    /// Whether boxes move by half a pixel, so that pixel centers are at `i + 0.5`.
    pub aligned: bool,
}

/// One corner of a bilinear sample: index of the feature-map pixel and its weight.
type Corner = (usize, f32);

impl RoiAlign {
    /// Resamples the features of each box. Every bin is the mean of its bilinear samples. A sample
    /// more than one pixel outside of the feature map is 0.
    ///
    /// Boxes get no gradient.
    ///
    /// # Shapes
    /// - `features`: `[batch, channels, height, width]`
    /// - output: `[rois, channels, output[0], output[1]]`
    ///
    /// # Panics
    ///
    /// Panics if a box names an image outside of the batch.
    pub fn forward<B: Backend>(&self, features: Tensor<B, 4>, rois: &[Roi]) -> Tensor<B, 4> {
        let [n, c, h, w] = features.dims();
        let [height, width] = self.output;
        if rois.is_empty() {
            return Tensor::zeros([0, c, height, width], &features.device());
        }
        let pixels = features.permute([0, 2, 3, 1]).reshape([n * h * w, c]);
        let mut bags = Bags::default();
        for roi in rois {
            assert!(
                roi.image < n,
                "expected an image below {n}, found {}",
                roi.image
            );
            self.add_bins(&mut bags, roi.corners, [h, w], roi.image * h * w);
        }
        embedding_bag(pixels, bags)
            .reshape([rois.len(), height, width, c])
            .permute([0, 3, 1, 2])
    }

    /// Resamples one mask of `[height, width]` pixels on the host, as [`forward`](Self::forward) does
    /// for a feature map. Returns `output[0] * output[1]` values from 0 to 1.
    ///
    /// # Panics
    ///
    /// Panics if the mask has fewer than `height * width` pixels.
    pub fn of_mask(&self, mask: &[bool], [height, width]: [usize; 2], corners: Box4) -> Vec<f32> {
        let [y, x] = [
            self.axis(corners[1], corners[3], self.output[0], height),
            self.axis(corners[0], corners[2], self.output[1], width),
        ];
        let count = (y.grid * x.grid).max(1) as f32;
        let sum = |(rows, columns): (&Vec<[Corner; 2]>, &Vec<[Corner; 2]>)| {
            let rows = rows.iter().flatten();
            let row = |&(row, wy): &Corner| {
                let line = &mask[row * width..][..width];
                let columns = columns.iter().flatten();
                let inside = columns.filter(|(column, _)| line[*column]);
                wy * inside.map(|(_, wx)| wx).sum::<f32>()
            };
            rows.map(row).sum::<f32>() / count
        };
        let bins = y.bins.iter();
        let bins = bins.flat_map(|rows| x.bins.iter().map(move |columns| (rows, columns)));
        bins.map(sum).collect()
    }

    /// Adds the corners of all samples of each bin, `y` before `x`. `offset` is the index of the
    /// image's first pixel.
    fn add_bins(&self, bags: &mut Bags, corners: Box4, [h, w]: [usize; 2], offset: usize) {
        let [y, x] = [
            self.axis(corners[1], corners[3], self.output[0], h),
            self.axis(corners[0], corners[2], self.output[1], w),
        ];
        let count = (y.grid * x.grid).max(1) as f32;
        for rows in &y.bins {
            for columns in &x.bins {
                for (row, wy) in rows.iter().flatten() {
                    for (column, wx) in columns.iter().flatten() {
                        bags.indices.push((offset + row * w + column) as u32);
                        bags.weights.push(wy * wx / count);
                    }
                }
                bags.ends.push(bags.indices.len());
            }
        }
    }

    /// Returns the samples of each bin along one axis. Arithmetic has float32 precision, as in
    /// torchvision.
    fn axis(&self, from: f32, to: f32, bins: usize, size: usize) -> Axis {
        let shift = if self.aligned { 0.5 } else { 0.0 };
        let start = from * self.spatial_scale - shift;
        let mut length = to * self.spatial_scale - shift - start;
        if !self.aligned {
            length = length.max(1.0);
        }
        let bin = length / bins as f32;
        let grid = match self.sampling_ratio {
            // A sample per pixel. More samples than pixels add nothing.
            0 => (bin.ceil().max(0.0) as usize).min(size.saturating_mul(2) + 2),
            ratio => ratio,
        };
        let sample = |p: usize, i: usize| {
            let at = start + p as f32 * bin + (i as f32 + 0.5) * bin / grid as f32;
            line(at, size)
        };
        let bins = (0..bins).map(|p| (0..grid).filter_map(|i| sample(p, i)).collect());
        Axis {
            grid,
            bins: bins.collect(),
        }
    }
}

struct Axis {
    /// Samples per bin, including those outside of the feature map.
    grid: usize,
    bins: Vec<Vec<[Corner; 2]>>,
}

/// Returns the two pixels around a position, or `None` outside of the feature map.
fn line(at: f32, size: usize) -> Option<[Corner; 2]> {
    // NaN is outside as well.
    if !(at >= -1.0 && at <= size as f32) {
        return None;
    }
    let at = at.max(0.0);
    let low = at as usize;
    if low >= size - 1 {
        return Some([(size - 1, 1.0), (size - 1, 0.0)]);
    }
    let share = at - low as f32;
    Some([(low, 1.0 - share), (low + 1, share)])
}

/// RoIAlign on the pyramid level that fits each box (Lin et al. 2017, FPN, equation 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiScaleRoiAlign {
    /// Height and width of the output.
    pub output: usize,
    /// Samples per bin and side.
    pub sampling_ratio: usize,
}

impl MultiScaleRoiAlign {
    /// Resamples the features of each box from its level.
    ///
    /// # Shapes
    /// - `maps`: `[batch, channels, height, width]` each, from the largest to the smallest
    /// - output: `[rois, channels, output, output]`
    ///
    /// # Panics
    ///
    /// Panics if there is no map.
    pub fn forward<B: Backend>(
        &self,
        maps: &[Tensor<B, 4>],
        rois: &[Roi],
        image_height: usize,
    ) -> Tensor<B, 4> {
        let levels = Levels::new(maps, image_height);
        let mut parts = Vec::new();
        let mut order = Vec::with_capacity(rois.len());
        for (i, map) in maps.iter().enumerate() {
            let members = (0..rois.len()).filter(|&roi| levels.of(rois[roi].corners) == i);
            let members: Vec<usize> = members.collect();
            if members.is_empty() {
                continue;
            }
            let align = RoiAlign {
                output: [self.output; 2],
                spatial_scale: levels.scales[i],
                sampling_ratio: self.sampling_ratio,
                aligned: false,
            };
            let on_level: Vec<Roi> = members.iter().map(|&roi| rois[roi]).collect();
            parts.push(align.forward(map.clone(), &on_level));
            order.extend(members);
        }
        let Some(first) = parts.first() else {
            let [_, c, _, _] = maps[0].dims();
            return Tensor::zeros([0, c, self.output, self.output], &maps[0].device());
        };
        let device = first.device();
        if order.is_sorted() {
            return Tensor::cat(parts, 0);
        }
        let mut place = vec![0_i64; order.len()];
        for (from, to) in order.into_iter().enumerate() {
            place[to] = from as i64;
        }
        let count = place.len();
        let place = Tensor::<B, 1, Int>::from_data(TensorData::new(place, [count]), &device);
        Tensor::cat(parts, 0).select(0, place)
    }
}

/// The scales of the pyramid levels, and the level of a box.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    /// Ratio of each map's size to the image's size, a power of two.
    pub scales: Vec<f32>,
}

impl Levels {
    /// Computes the scales as torchvision does, from the heights: `2^round(log2(map / image))`.
    /// `image_height` is the largest height in the batch before padding.
    ///
    /// torchvision computes them in the first call of a process and keeps them. This function
    /// computes them for each batch.
    pub fn new<B: Backend>(maps: &[Tensor<B, 4>], image_height: usize) -> Self {
        Self::of_heights(maps.iter().map(|map| map.dims()[2]), image_height)
    }

    /// Computes the scales from the heights of the maps.
    pub fn of_heights(heights: impl IntoIterator<Item = usize>, image_height: usize) -> Self {
        let scale = |height: usize| {
            let ratio = height as f32 / image_height as f32;
            ratio.log2().round_ties_even().exp2()
        };
        Self {
            scales: heights.into_iter().map(scale).collect(),
        }
    }

    /// Returns the level of a box: `floor(4 + log2(sqrt(area) / 224))`, limited to the levels that
    /// exist, in float32.
    pub fn of(&self, corners: Box4) -> usize {
        let [first, last] = [self.scales.first(), self.scales.last()]
            .map(|scale| scale.map_or(0.0, |scale| -scale.log2()));
        let level = (4.0 + (area(corners).sqrt() / 224.0).log2() + 1e-6).floor();
        // The level of a NaN area is the first one.
        let level = if level > first {
            level.min(last)
        } else {
            first
        };
        (level - first) as usize
    }
}
