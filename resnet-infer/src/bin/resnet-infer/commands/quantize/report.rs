//! The report of a quantization.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use resnet_cli::{json, note, printable};
use resnet_engine::LayerNoise;
use serde::Serialize;

use super::calibrate::Examples;
use super::measure::{Scores, bench};
use super::{Job, QuantizedNetwork};

/// Least ratio of times that a note mentions.
const NOTABLE: f64 = 1.05;

/// Number of layers to list.
const WORST: usize = 5;

#[derive(Serialize)]
pub(super) struct Report {
    model: String,
    file: String,
    calibration: String,
    calibration_images: usize,
    /// Images of the comparison.
    images: usize,
    /// Whether these are the example images of the calibration.
    same_images: bool,
    /// Share of images with the same most probable class.
    agreement: f64,
    float: Side,
    int8: Side,
    int8_layers: usize,
    float_layers: Vec<String>,
    /// The layers with the largest error.
    worst: Vec<Noise>,
}

#[derive(Serialize)]
struct Side {
    file_bytes: Option<u64>,
    peak_mb: Option<f64>,
    batch1_ms: Option<f64>,
    batch8_ms: Option<f64>,
    top1: Option<f64>,
}

#[derive(Serialize)]
struct Noise {
    layer: String,
    sqnr_db: f64,
}

impl Report {
    pub(super) fn new(
        job: &Job,
        [float, int8]: [Scores; 2],
        noise: Vec<LayerNoise>,
        examples: &Examples,
    ) -> Result<Self> {
        let size = examples.size();
        let all = QuantizedNetwork::layers_of(&job.network.config);
        let float_layers: Vec<_> = all
            .into_iter()
            .filter(|key| !job.int8.contains(key))
            .collect();
        let worst = noise
            .into_iter()
            .filter(|noise| job.int8.contains(&noise.key) && noise.sqnr.is_finite())
            .take(WORST)
            .map(|LayerNoise { key, sqnr }| Noise {
                layer: key,
                sqnr_db: sqnr,
            });
        Ok(Self {
            model: job.network.name.clone(),
            file: job.args.output.display().to_string(),
            calibration: job.args.method.name.clone(),
            calibration_images: examples.len(),
            images: int8.images(),
            same_images: job.args.evaluate.is_none(),
            agreement: int8.agreement(&float),
            float: Side::new(job, job.network.file.as_deref(), size, &float)?,
            int8: Side::new(job, Some(&job.args.output), size, &int8)?,
            int8_layers: job.int8.len(),
            float_layers,
            worst: worst.collect(),
        })
    }

    pub(super) fn print(&self, as_json: bool) -> Result<()> {
        if let (Some(float), Some(int8)) = (self.float.batch1_ms, self.int8.batch1_ms)
            && int8 > NOTABLE * float
        {
            note(
                "integers are slower than floats on this machine; --fastest keeps the slower layers in floats",
            );
        }
        let mut out = io::stdout().lock();
        match as_json {
            true => writeln!(out, "{}", json(self)?)?,
            false => self.table(&mut out)?,
        }
        Ok(())
    }

    fn table(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { float, int8, .. } = self;
        let mut line = |name: &str, values: [Option<String>; 2]| {
            let [a, b] = values.map(|value| value.unwrap_or("-".into()));
            writeln!(out, "{name:12} {a:>12} {b:>12}")
        };
        let megabytes = |bytes: Option<u64>| Some(format!("{:.1} MB", bytes? as f64 / 1e6));
        let peak = |mb: Option<f64>| Some(format!("{:.1} MB", mb?));
        let time = |ms: Option<f64>| Some(format!("{:.1} ms", ms?));
        let share = |share: Option<f64>| Some(format!("{:.2} %", 100.0 * share?));
        line("", [Some("float".into()), Some("int8".into())])?;
        line(
            "file",
            [megabytes(float.file_bytes), megabytes(int8.file_bytes)],
        )?;
        line("peak memory", [peak(float.peak_mb), peak(int8.peak_mb)])?;
        line("batch of 1", [time(float.batch1_ms), time(int8.batch1_ms)])?;
        line("batch of 8", [time(float.batch8_ms), time(int8.batch8_ms)])?;
        if float.top1.is_some() {
            line("top-1", [share(float.top1), share(int8.top1)])?;
        }
        let images = match self.same_images {
            true => format!("the {} example images", self.images),
            false => format!("{} labeled images", self.images),
        };
        let agreement = 100.0 * self.agreement;
        writeln!(
            out,
            "\nagreement    {agreement:.2} % of {images} have the same most probable class"
        )?;
        let (count, all) = (self.int8_layers, self.int8_layers + self.float_layers.len());
        writeln!(out, "layers       {count} of {all} with integers")?;
        if !self.float_layers.is_empty() && self.int8_layers > 0 {
            writeln!(out, "in floats    {}", self.float_layers.join(", "))?;
        }
        let worst = self.worst.iter();
        let worst: Vec<_> = worst
            .map(|Noise { layer, sqnr_db }| format!("{layer} {sqnr_db:.1} dB"))
            .collect();
        writeln!(out, "least SQNR   {}", worst.join(", "))?;
        writeln!(out, "written      {}", printable(&self.file))
    }
}

impl Side {
    fn new(job: &Job, file: Option<&Path>, size: [usize; 2], scores: &Scores) -> Result<Self> {
        let rows = bench(job, file, size)?;
        let time = |batch: usize| rows.get(batch).map(|row| row.median_ms);
        Ok(Self {
            file_bytes: file.and_then(|file| Some(file.metadata().ok()?.len())),
            peak_mb: rows.first().and_then(|row| row.peak_mb),
            batch1_ms: time(0),
            batch8_ms: time(1),
            top1: scores.top1(),
        })
    }
}
