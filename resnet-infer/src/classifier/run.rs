//! From images to predictions, logits and embeddings.

use std::path::PathBuf;

use burn::tensor::{Tensor, backend::Backend};
use rayon::prelude::*;
use resnet_core::ResNet;
use resnet_image::{Pixels, to_tensor};

use super::{Classifier, ClassifyError, ImageFailure, ImageInput, Prediction, PrepareError};

/// What the network computes of a batch: one row per image.
type Pass<B> = fn(&ResNet<B>, Tensor<B, 4>) -> Tensor<B, 2>;

impl<B: Backend> Classifier<B> {
    /// Classifies images: one prediction per image, in their order.
    ///
    /// The images may have any form that [`ImageInput`] lists. Files, encoded bytes and `DynamicImage`s are converted to
    /// the [channels](resnet_image::Preprocessing::channels) of the network; pixels must have them.
    ///
    /// # Errors
    ///
    /// Returns the first error of [`classify_iter`](Self::classify_iter).
    ///
    /// ```
    /// use resnet_cpu::Cpu;
    /// use resnet_infer::Classifier;
    ///
    /// # let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/chelsea.png");
    /// let classifier: Classifier<Cpu> = Classifier::pretrained("cifar_resnet20", &Default::default())?;
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
        let mut logits = self.outputs(vec![image.into()], 0, ResNet::forward);
        Ok(self.prediction(&logits.remove(0)?))
    }

    /// Classifies images one batch at a time, and yields one result per image in their order.
    ///
    /// The iterator is lazy: it takes the images of a batch, prepares them on all cores, and runs the network when you ask
    /// for the first result of the batch. Count the results for progress; drop the iterator to cancel. An image that fails
    /// does not stop the others.
    ///
    /// # Errors
    ///
    /// An image is an error if it cannot be read or decoded, has other channels than the network, is too small or too large
    /// for it, or if the network's output is not finite.
    ///
    /// ```
    /// use resnet_cpu::Cpu;
    /// use resnet_infer::Classifier;
    ///
    /// # let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/chelsea.png");
    /// let classifier: Classifier<Cpu> = Classifier::pretrained("cifar_resnet20", &Default::default())?;
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
        self.each_output(images, ResNet::forward)
            .map(move |logits| Ok(self.prediction(&logits?)))
    }

    /// Computes the scores of the classes before softmax or sigmoid: one vector of `num_classes` values per image.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`classify`](Self::classify).
    pub fn logits(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput>>,
    ) -> Result<Vec<Vec<f32>>, ClassifyError> {
        self.each_output(images, ResNet::forward).collect()
    }

    /// Computes embeddings: one vector of [`num_features`](resnet_core::ResNetConfig::num_features) values per image, the
    /// pooled features that the last layer receives. Similar images have a large cosine similarity.
    ///
    /// For tensors or feature maps, or for a network without a classifier, see
    /// [`ResNet::forward_embedding`] and [`ResNet::forward_pyramid`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`classify`](Self::classify).
    ///
    /// ```
    /// use resnet_cpu::Cpu;
    /// use resnet_infer::Classifier;
    ///
    /// # let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/chelsea.png");
    /// let classifier: Classifier<Cpu> = Classifier::pretrained("cifar_resnet20", &Default::default())?;
    /// assert_eq!(classifier.embed([photo])?[0].len(), 64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn embed(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput>>,
    ) -> Result<Vec<Vec<f32>>, ClassifyError> {
        self.each_output(images, ResNet::forward_embedding)
            .collect()
    }

    /// Decodes, resizes and crops an image to the network's input. Normalization follows in
    /// [`classify_prepared`](Self::classify_prepared).
    ///
    /// # Errors
    ///
    /// Returns an error if the image cannot be read or decoded, has other channels than the network, cannot be resized, or is too small or
    /// too large for the network.
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

    /// Classifies images that [`prepare`](Self::prepare) made: one result per image, in their order.
    ///
    /// # Errors
    ///
    /// An image is an error if the network's output is not finite.
    pub fn classify_prepared(&self, images: &[Pixels]) -> Vec<Result<Prediction, ImageFailure>> {
        let outputs = self.run(images, ResNet::forward);
        let predict = |logits: Result<Vec<f32>, _>| Ok(self.prediction(&logits?));
        outputs.into_iter().map(predict).collect()
    }

    /// Takes the images batch by batch, and yields the network's output for each.
    fn each_output(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput>>,
        pass: Pass<B>,
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

    /// The output for each image of a batch whose first image has the index `first`.
    fn outputs(
        &self,
        batch: Vec<ImageInput>,
        first: usize,
        pass: Pass<B>,
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

    /// The network's output for each prepared image.
    fn run(&self, images: &[Pixels], pass: Pass<B>) -> Vec<Result<Vec<f32>, ImageFailure>> {
        let mut outputs = Vec::with_capacity(images.len());
        // A batch has one size; without a crop, sizes may change from image to image.
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

    /// The network's output for each image of one batch.
    fn run_batch(&self, batch: &[Pixels], pass: Pass<B>) -> Vec<Result<Vec<f32>, ImageFailure>> {
        let (mean, std) = (self.preprocessing.mean, self.preprocessing.std);
        let x = match to_tensor::<B>(batch, mean, std, &self.device) {
            Ok(x) => x,
            Err(error) => return batch.iter().map(|_| Err(error.clone().into())).collect(),
        };
        let outputs = pass(&self.model, x.cast(self.dtype));
        let values: Vec<f32> = outputs.into_data().iter().collect();
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
