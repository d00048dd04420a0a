//! Inference: predictions, logits and embeddings of images.

use std::path::PathBuf;

use rayon::prelude::*;
use resnet_image::{Pixels, normalized};

use super::network::Pass;
use super::{Classifier, ClassifyError, ImageFailure, Prediction, PrepareError};
use crate::ImageInput;

impl Classifier {
    /// Classifies images: one prediction per image, in their order.
    ///
    /// [`ImageInput`] lists the accepted types. Files, encoded bytes and `DynamicImage`s are
    /// converted to the [channels](resnet_image::Preprocessing::channels) of the network; pixels
    /// must already have them.
    ///
    /// # Errors
    ///
    /// Returns the first error of [`classify_iter`](Self::classify_iter).
    ///
    /// ```
    /// use resnet_infer::Classifier;
    ///
    /// # let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/chelsea.png");
    /// let classifier = Classifier::pretrained("cifar_resnet20")?;
    /// let from_files = classifier.classify([photo])?;
    /// let from_bytes = classifier.classify([std::fs::read(photo)?])?;
    /// let from_pixels = classifier.classify(&[resnet_image::open(photo)?])?;
    /// assert_eq!(from_files, from_bytes);
    /// assert_eq!(from_files, from_pixels);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn classify(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput>>,
    ) -> Result<Vec<Prediction>, ClassifyError> {
        self.classify_iter(images).collect()
    }

    /// Classifies one image.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`classify`](Self::classify).
    pub fn classify_one(&self, image: impl Into<ImageInput>) -> Result<Prediction, ClassifyError> {
        let mut logits = self.outputs(vec![image.into()], 0, Pass::Logits);
        Ok(self.prediction(&logits.remove(0)?))
    }

    /// Classifies images one batch at a time. Yields one result per image, in their order.
    ///
    /// The iterator is lazy. When you request the first result of a batch, it takes the images of
    /// the batch, prepares them on all cores, and runs the network. Count the results to show
    /// progress; drop the iterator to cancel. A failed image does not stop the others.
    ///
    /// # Errors
    ///
    /// Yields an error for an image that cannot be read or decoded, has other channels than the
    /// network, or is too small or too large for it, and if the output of the network is not
    /// finite.
    ///
    /// ```
    /// use resnet_infer::Classifier;
    ///
    /// # let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/chelsea.png");
    /// let classifier = Classifier::pretrained("cifar_resnet20")?;
    /// let mut results = classifier.classify_iter(["no such file.png", photo]);
    /// let error = results.next().unwrap().unwrap_err();
    /// assert_eq!(error.to_string(), "image 0 (`no such file.png`)");
    /// assert_eq!(results.next().unwrap()?.top[0].label, "cat");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn classify_iter(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput>>,
    ) -> impl Iterator<Item = Result<Prediction, ClassifyError>> {
        self.each_output(images, Pass::Logits)
            .map(move |logits| Ok(self.prediction(&logits?)))
    }

    /// Computes the logits, before softmax or sigmoid: one vector of `num_classes` values per
    /// image.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`classify`](Self::classify).
    pub fn logits(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput>>,
    ) -> Result<Vec<Vec<f32>>, ClassifyError> {
        self.each_output(images, Pass::Logits).collect()
    }

    /// Computes embeddings: one vector of [`num_features`](resnet_core::ResNetConfig::num_features)
    /// values per image. They are the pooled features, the input of the classifier layer. Similar
    /// images have a large cosine similarity.
    ///
    /// For feature maps, or for a network without a classifier, see
    /// [`Session::run`](resnet_engine::Session::run) and
    /// [`ResNet::forward_pyramid`](resnet_core::ResNet::forward_pyramid).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`classify`](Self::classify).
    ///
    /// ```
    /// use resnet_infer::Classifier;
    ///
    /// # let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/chelsea.png");
    /// let classifier = Classifier::pretrained("cifar_resnet20")?;
    /// assert_eq!(classifier.embed([photo])?[0].len(), 64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn embed(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput>>,
    ) -> Result<Vec<Vec<f32>>, ClassifyError> {
        self.each_output(images, Pass::Embedding).collect()
    }

    /// Decodes, resizes and crops an image for the network.
    /// [`classify_prepared`](Self::classify_prepared) normalizes it.
    ///
    /// # Errors
    ///
    /// Returns an error if the image cannot be read or decoded, has other channels than the
    /// network, cannot be resized, or is too small or too large for the network.
    pub fn prepare(&self, image: impl Into<ImageInput>) -> Result<Pixels, PrepareError> {
        let image = image.into().into_pixels(self.preprocessing.channels())?;
        let image = self.preprocessing.apply_to(image)?;
        let (width, height) = image.dimensions();
        let needed = self.bytes(1, &image);
        if needed > self.memory_limit {
            return Err(PrepareError::TooLarge {
                width,
                height,
                needed,
                limit: self.memory_limit,
            });
        }
        self.config()
            .check_input([height as usize, width as usize])?;
        Ok(image)
    }

    /// Classifies the output of [`prepare`](Self::prepare): one result per image, in their order.
    ///
    /// # Errors
    ///
    /// The result of an image is an error if the output of the network is not finite.
    pub fn classify_prepared(&self, images: &[Pixels]) -> Vec<Result<Prediction, ImageFailure>> {
        let outputs = self.run(images, Pass::Logits);
        let predict = |logits: Result<Vec<f32>, _>| Ok(self.prediction(&logits?));
        outputs.into_iter().map(predict).collect()
    }

    /// Runs the network batch by batch, lazily, and yields one output per image.
    fn each_output(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput>>,
        pass: Pass,
    ) -> impl Iterator<Item = Result<Vec<f32>, ClassifyError>> {
        let mut images = images.into_iter();
        let mut index = 0;
        let batches = std::iter::from_fn(move || {
            let batch: Vec<ImageInput> = (&mut images)
                .take(self.batch_size)
                .map(Into::into)
                .collect();
            let first = index;
            index += batch.len();
            (!batch.is_empty()).then(|| self.outputs(batch, first, pass))
        });
        batches.flatten()
    }

    /// Prepares a batch and runs the network. Returns one output per image; `first` is the index of
    /// the first image.
    fn outputs(
        &self,
        batch: Vec<ImageInput>,
        first: usize,
        pass: Pass,
    ) -> Vec<Result<Vec<f32>, ClassifyError>> {
        let prepare = |image: ImageInput| {
            let path = image.path().map(PathBuf::from);
            (path, self.prepare(image))
        };
        let prepared: Vec<_> = batch.into_par_iter().map(prepare).collect();
        let mut images = Vec::with_capacity(prepared.len());
        let mut keep = |(path, image): (_, Result<_, PrepareError>)| {
            (path, image.map(|image| images.push(image)))
        };
        let prepared: Vec<_> = prepared.into_iter().map(&mut keep).collect();
        let mut outputs = self.run(&images, pass).into_iter();
        let output = |(place, (path, prepared)): (usize, (_, Result<(), PrepareError>))| {
            let output = match prepared {
                Ok(()) => outputs.next().expect("one output per prepared image"),
                Err(error) => Err(error.into()),
            };
            output.map_err(|source| ClassifyError {
                index: first + place,
                path,
                source,
            })
        };
        prepared.into_iter().enumerate().map(output).collect()
    }

    /// Runs the network on prepared images, in batches within the memory limit. Returns one output
    /// per image.
    fn run(&self, images: &[Pixels], pass: Pass) -> Vec<Result<Vec<f32>, ImageFailure>> {
        let mut outputs = Vec::with_capacity(images.len());
        // All images of a batch have the same size; without a crop, sizes may differ between
        // images.
        for same_size in images.chunk_by(|a, b| a.dimensions() == b.dimensions()) {
            let fits = |batch: &usize| self.bytes(*batch, &same_size[0]) <= self.memory_limit;
            let sizes = std::iter::successors(Some(self.batch_size), |size| Some(size / 2));
            let batch_size = sizes.take_while(|size| *size > 0).find(fits).unwrap_or(1);
            for batch in same_size.chunks(batch_size) {
                outputs.extend(self.run_batch(batch, pass));
            }
        }
        outputs
    }

    /// Runs the network on one batch. Returns one output per image.
    fn run_batch(&self, batch: &[Pixels], pass: Pass) -> Vec<Result<Vec<f32>, ImageFailure>> {
        let (mean, std) = (self.preprocessing.mean, self.preprocessing.std);
        let x = match normalized(batch, mean, std) {
            Ok(x) => x,
            Err(error) => return batch.iter().map(|_| Err(error.clone().into())).collect(),
        };
        let values = match self.network.run(x, pass) {
            Ok(values) => values,
            Err(error) => return batch.iter().map(|_| Err(error.clone().into())).collect(),
        };
        let finite = |row: &[f32]| match row.iter().all(|value| value.is_finite()) {
            true => Ok(row.to_vec()),
            false => Err(ImageFailure::NonFinite),
        };
        let row = values.len() / batch.len();
        values.chunks(row.max(1)).map(finite).collect()
    }

    fn bytes(&self, batch: usize, image: &Pixels) -> u64 {
        let (width, height) = image.dimensions();
        self.config()
            .inference_bytes(batch, [height as usize, width as usize])
    }
}
