//! The losses of segmentation networks.

use burn::tensor::{Tensor, backend::Backend};

use super::SegmentationOutput;
use crate::training::{no_loss, rows};
use crate::{Loss, Losses};

/// Pixels of this class have no loss.
pub const IGNORE: usize = 255;
/// The weight of the auxiliary head.
const AUX: f64 = 0.5;

impl<B: Backend> SegmentationOutput<B> {
    /// Returns the loss `out` and, with an auxiliary head, `aux` with a weight of 0.5. Each is the
    /// mean cross-entropy of the pixels whose class is not [`IGNORE`].
    ///
    /// `classes` has the class of each pixel, image by image and row by row.
    ///
    /// # Panics
    ///
    /// Panics if the number of classes is not the number of pixels, or a class does not exist.
    pub fn losses(self, classes: &[usize]) -> Losses<B> {
        let mut losses = vec![Loss {
            name: "out",
            value: cross_entropy(self.out, classes),
            weight: 1.0,
        }];
        losses.extend(self.aux.map(|aux| Loss {
            name: "aux",
            value: cross_entropy(aux, classes),
            weight: AUX,
        }));
        Losses(losses)
    }
}

fn cross_entropy<B: Backend>(logits: Tensor<B, 4>, classes: &[usize]) -> Tensor<B, 1> {
    let [n, k, h, w] = logits.dims();
    assert_eq!(classes.len(), n * h * w, "expected one class per pixel");
    let (mut pixels, mut chosen) = (Vec::new(), Vec::new());
    for (pixel, class) in classes.iter().enumerate() {
        if *class != IGNORE {
            assert!(*class < k, "expected a class below {k}, found {class}");
            let (image, place) = (pixel / (h * w), pixel % (h * w));
            pixels.push(pixel);
            chosen.push((image * k + class) * h * w + place);
        }
    }
    if chosen.is_empty() {
        return no_loss(logits);
    }
    let x = logits.reshape([n, k, h * w]);
    // On CPU backends, products with matrices of ones are faster than broadcasts and sums along the
    // classes, also in the backward pass.
    let ones = |rows, columns| Tensor::<B, 3>::ones([n, rows, columns], &x.device());
    let largest = x.clone().detach().max_dim(1);
    let x = x.clone() - ones(k, 1).matmul(largest);
    let normalizers = ones(1, k)
        .matmul(x.clone().exp())
        .log()
        .reshape([n * h * w]);
    let normalizers = match pixels.len() == classes.len() {
        true => normalizers,
        false => rows(normalizers, &pixels),
    };
    (normalizers - rows(x.reshape([n * k * h * w]), &chosen)).mean()
}
