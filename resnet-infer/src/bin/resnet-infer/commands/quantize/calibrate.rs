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

/// Number of images to read before their size is checked.
const CHUNK: usize = 32;

/// Normalized images, `[1, channels, height, width]` each.
pub(super) struct Examples(Vec<TensorData>);

impl Examples {
    /// Reads up to `--images` of the sources.
    pub(super) fn read(sources: &[Source], job: &Job) -> Result<Self> {
        let count = sources.len().min(job.args.images);
        let chosen = (0..count).map(|index| &sources[index * sources.len() / count]);
        let preprocessing = &job.preprocessing;
        let memory = job.args.network.runtime.memory;
        let prepare = |source: &Source| -> Result<TensorData> {
            let image = source.open(preprocessing.channels())?;
            let name = || format!("`{source}`");
            let image = preprocessing.apply_to(image).with_context(name)?;
            let (width, height) = image.dimensions();
            let size = [height as usize, width as usize];
            job.network.config.check_input(size).with_context(name)?;
            memory.check(source, &job.network.config, 1, size, "--crop")?;
            normalized(&[image], preprocessing.mean, preprocessing.std).with_context(name)
        };
        let chosen: Vec<_> = chosen.collect();
        let mut images = Vec::with_capacity(chosen.len());
        let mut bytes = 0;
        for chosen in chosen.chunks(CHUNK) {
            let read: Vec<_> = chosen.par_iter().map(|source| prepare(source)).collect();
            for image in read {
                match image {
                    Ok(image) => {
                        bytes += image.as_bytes().len() as u64;
                        images.push(image);
                    }
                    Err(error) => note(&printable(&format!("left out: {error:#}"))),
                }
            }
            ensure!(
                bytes <= memory.limit(),
                "--images: expected example images of at most {} in all, found more in the first {}; use fewer or \
                 smaller images, or raise --memory-limit",
                ByteSize(memory.limit()),
                images.len()
            );
        }
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
