//! Your own image transforms.

use std::fmt;
use std::sync::Arc;

use rand::Rng;
use resnet_image::Pixels;

use crate::random::{For, random};

/// Your own change of an image, such as a blur or an augmentation of another library. Pass it to
/// [`DataLoader::with_transform`](crate::DataLoader::with_transform). Every function of an image
/// and a seed implements this trait.
///
/// ```
/// use resnet_data::{Augment, DataLoader, Dataset, Transform};
/// use resnet_image::{Pixels, Preprocessing};
///
/// // Turns half of the images upside down.
/// struct UpsideDown;
///
/// impl Transform for UpsideDown {
///     fn apply(&self, image: Pixels, seed: u64) -> Pixels {
///         let mut image = image.into_rgb();
///         if seed % 2 == 0 {
///             image::imageops::flip_vertical_in_place(&mut image);
///         }
///         image.into()
///     }
/// }
///
/// let loader = DataLoader::new(Dataset::shapes(60), Preprocessing::cifar())
///     .training(Augment::cifar())?
///     .with_transform(UpsideDown)
///     .with_transform(|image: Pixels, _seed: u64| image);
/// assert_eq!(loader.epoch(0)?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Transform: Send + Sync {
    /// Changes an image that has the channels of the network. Derive all randomness from `seed`,
    /// which differs for each image, epoch and transform. Then a batch depends only on the seed of
    /// the loader.
    ///
    /// All images of a batch must have the same size. The loader converts other channels back.
    fn apply(&self, image: Pixels, seed: u64) -> Pixels;
}

impl<F: Fn(Pixels, u64) -> Pixels + Send + Sync> Transform for F {
    fn apply(&self, image: Pixels, seed: u64) -> Pixels {
        self(image, seed)
    }
}

/// Transforms in the order of their application.
#[derive(Clone, Default)]
pub(crate) struct Transforms(Vec<Arc<dyn Transform>>);

impl Transforms {
    pub(crate) fn push(&mut self, transform: impl Transform + 'static) {
        self.0.push(Arc::new(transform));
    }

    /// Applies all transforms to the image at a place: an epoch and a sample index.
    ///
    /// # Errors
    ///
    /// Returns an error message if a transform leaves no pixels.
    pub(crate) fn apply(
        &self,
        image: Pixels,
        seed: u64,
        place: [u64; 2],
    ) -> Result<Pixels, String> {
        if self.0.is_empty() {
            return Ok(image);
        }
        let mut seeds = random(seed, For::Transform, place);
        self.0.iter().try_fold(image, |image, transform| {
            let image = transform.apply(image, seeds.next_u64());
            match image.dimensions() {
                (width, height) if width == 0 || height == 0 => Err(format!(
                    "expected one pixel or more after a transform, found {width}x{height}"
                )),
                _ => Ok(image),
            }
        })
    }
}

impl fmt::Debug for Transforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} transforms", self.0.len())
    }
}
