//! The example images of a calibration.

use anyhow::{Context, Result, ensure};
use burn::tensor::TensorData;
use rayon::prelude::*;
use resnet_cli::{batch, note, printable};
use resnet_core::ByteSize;
use resnet_engine::{
    Calibration, CalibrationMethod, Calibrator, Engine, LayerNoise, NoiseMeter, QuantizedNetwork,
};
use resnet_image::normalized;

use super::Job;
use crate::images::Source;

/// Normalized images, `[1, channels, height, width]` each.
pub(super) struct Examples(Vec<TensorData>);

impl Examples {
    /// Reads up to `--images` of the sources.
    pub(super) fn read(sources: &[Source], job: &Job) -> Result<Self> {
        let count = sources.len().min(job.args.images);
        let chosen = (0..count).map(|index| &sources[index * sources.len() / count]);
        let preprocessing = &job.preprocessing;
        let prepare = |source: &Source| -> Result<TensorData> {
            let image = source.open(preprocessing.channels())?;
            let image = preprocessing.apply_to(image)?;
            let (width, height) = image.dimensions();
            let size = [height as usize, width as usize];
            job.network.config.check_input(size)?;
            let memory = job.args.network.runtime.memory;
            memory.check(source, &job.network.config, 1, size, "--crop")?;
            Ok(normalized(&[image], preprocessing.mean, preprocessing.std)?)
        };
        let chosen: Vec<_> = chosen.collect();
        let read: Vec<_> = chosen
            .into_par_iter()
            .map(|source| prepare(source).with_context(|| format!("`{source}`")))
            .collect();
        let mut images = Vec::with_capacity(read.len());
        for image in read {
            match image {
                Ok(image) => images.push(image),
                Err(error) => note(&printable(&format!("left out: {error:#}"))),
            }
        }
        let bytes: u64 = images
            .iter()
            .map(|image| image.as_bytes().len() as u64)
            .sum();
        let limit = job.args.network.runtime.memory.limit();
        ensure!(
            bytes <= limit,
            "--images: expected example images of at most {} in all, found {}; use fewer or smaller images, or raise \
             --memory-limit",
            ByteSize(limit),
            ByteSize(bytes)
        );
        ensure!(
            !images.is_empty(),
            "--calibrate: expected readable images, found none"
        );
        Ok(Self(images))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the height and width of the first image.
    pub(super) fn size(&self) -> [usize; 2] {
        let [_, _, height, width] = self.0[0].shape.dims();
        [height, width]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TensorData> {
        self.0.iter()
    }

    pub(super) fn calibrate(
        &self,
        engine: &Engine,
        method: CalibrationMethod,
    ) -> Result<Calibration> {
        let mut calibrator = Calibrator::new(engine);
        for image in &self.0 {
            calibrator.observe(batch(image))?;
        }
        Ok(calibrator.finish(method))
    }

    /// Measures the error of each layer on some of the images.
    pub(super) fn noise(
        &self,
        float: &Engine,
        network: &QuantizedNetwork,
    ) -> Result<Vec<LayerNoise>> {
        const IMAGES: usize = 16;
        let mut meter = NoiseMeter::new(float, network)?;
        for image in self.0.iter().take(IMAGES) {
            meter.observe(batch(image))?;
        }
        Ok(meter.finish())
    }
}
