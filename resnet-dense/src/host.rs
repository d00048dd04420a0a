//! Feature maps on the host.

use burn::tensor::{Tensor, backend::Backend};

/// The output maps of all pyramid levels, on the host.
pub(crate) struct HostMaps {
    /// All values, image by image.
    values: Vec<f32>,
    /// Values per image of each output of each level.
    lengths: Vec<Vec<usize>>,
}

impl HostMaps {
    /// Moves maps to the host, `[level][output]`. All maps are one transfer.
    ///
    /// # Shapes
    /// - each map: `[batch, channels, height, width]`
    pub(crate) fn new<B: Backend>(levels: Vec<Vec<Tensor<B, 4>>>) -> Self {
        let length = |map: &Tensor<B, 4>| map.dims()[1..].iter().product();
        let lengths = levels
            .iter()
            .map(|level| level.iter().map(length).collect());
        let lengths = lengths.collect();
        let flat = levels.into_iter().flatten().map(|map| {
            let [n, c, h, w] = map.dims();
            map.permute([0, 2, 3, 1]).reshape([n, h * w * c])
        });
        Self {
            values: values(Tensor::cat(flat.collect(), 1)),
            lengths,
        }
    }

    /// Returns the maps of each image, `[image][level][output]`, each in the order `y, x, channel`.
    pub(crate) fn images(&self) -> Vec<Vec<Vec<&[f32]>>> {
        let total: usize = self.lengths.iter().flatten().sum();
        self.values
            .chunks(total.max(1))
            .map(|image| self.split(image))
            .collect()
    }

    fn split<'a>(&self, mut rest: &'a [f32]) -> Vec<Vec<&'a [f32]>> {
        let mut levels = Vec::with_capacity(self.lengths.len());
        for lengths in &self.lengths {
            let mut outputs = Vec::with_capacity(lengths.len());
            for length in lengths {
                let (output, after) = rest.split_at(*length);
                outputs.push(output);
                rest = after;
            }
            levels.push(outputs);
        }
        levels
    }
}

/// Returns the values of a tensor.
pub(crate) fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.into_vec().unwrap_or_default()
}

/// Returns values in groups of four, such as box codes.
pub(crate) fn quads(values: &[f32]) -> &[[f32; 4]] {
    values.as_chunks().0
}
