//! COCO's metrics of a detector.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Error, Result};
use burn::tensor::backend::Backend;
use resnet_backend::Work;
use resnet_cli::{Outcome, json, note, printable};
use resnet_data::coco::{CocoImage, CocoMetrics, CocoResult, CocoTask, CocoTruth};
use resnet_infer::{CategoryIds, DetectedObject, Detector, ImageDetections, ImageFailure, Labels};
use resnet_weights::ResolvedDense;
use serde::Serialize;

use crate::cli::EvaluateAny;
use crate::output;

pub(super) fn run(args: EvaluateAny, file: &Path, network: ResolvedDense) -> Result<Outcome> {
    let truth = CocoTruth::open(file)?;
    let ids = network.category_ids.as_ref();
    let categories = categories(&truth.categories(), &network.labels, ids);
    let runtime = args.classifier.network.runtime;
    resnet_backend::with_backend(
        runtime.selection(),
        Job {
            args,
            truth,
            categories,
            network,
        },
    )?
}

/// Returns the category of each class: the category of the same name if every category is a class,
/// otherwise the category with the id in the file of weights. If the file has no ids, they are the
/// class indices, as in networks for COCO.
fn categories(
    categories: &[(u64, String)],
    labels: &Labels,
    saved: Option<&CategoryIds>,
) -> BTreeMap<usize, u64> {
    let of_name = |name: &str| (0..labels.len()).find(|class| labels.get(*class) == name);
    let named: BTreeMap<usize, u64> = categories
        .iter()
        .filter_map(|(id, name)| Some((of_name(name)?, *id)))
        .collect();
    if named.len() == categories.len() {
        return named;
    }
    if let Some(saved) = saved {
        note(
            "the names of the classes and of the categories differ: the ids of categories in the \
             file of weights are used",
        );
        let exists = |id: u64| categories.iter().any(|(other, _)| *other == id);
        return saved.pairs().filter(|(_, id)| exists(*id)).collect();
    }
    note(
        "the names of the classes and of the categories differ: class indices are used as ids of categories",
    );
    let ids = categories.iter();
    ids.filter_map(|(id, _)| Some((usize::try_from(*id).ok()?, *id)))
        .collect()
}

struct Job {
    args: EvaluateAny,
    truth: CocoTruth,
    categories: BTreeMap<usize, u64>,
    network: ResolvedDense,
}

/// The output of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    images: usize,
    unreadable: usize,
    metrics: &'a [CocoMetrics],
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let detector: Detector<B> = Detector::from_resolved(&self.network, &device)?
            .with_score(0.0)
            .with_memory_limit(self.args.classifier.network.runtime.memory.limit());
        detector.notes().iter().for_each(|text| note(text));
        let images = self.truth.images();
        let progress = output::progress(images.len());
        let (mut results, mut unreadable) = (Vec::new(), 0);
        for image in &images {
            match self.detect(&detector, image) {
                Ok(found) => results.extend(found.objects.iter().filter_map(|object| {
                    let category = *self.categories.get(&object.class)?;
                    Some(result(image.id, category, object))
                })),
                Err(error) => {
                    unreadable += 1;
                    progress.suspend(|| resnet_cli::error(&error));
                }
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        let mut tasks = vec![CocoTask::Boxes];
        tasks.extend(detector.config().has_masks().then_some(CocoTask::Masks));
        let keypoints = detector.config().keypoints().is_some();
        tasks.extend(keypoints.then_some(CocoTask::Keypoints));
        let metrics = tasks
            .into_iter()
            .map(|task| self.truth.evaluate(&results, task));
        let metrics: Vec<CocoMetrics> = metrics.collect::<Result<_, _>>()?;
        let report = Report {
            model: &self.network.name,
            images: images.len(),
            unreadable,
            metrics: &metrics,
        };
        let mut out = std::io::stdout().lock();
        match self.args.classifier.json {
            true => writeln!(out, "{}", json(&report)?)?,
            false => table(&mut out, &metrics)?,
        }
        Ok(Outcome::of(unreadable > 0))
    }
}

impl Job {
    fn detect<B: Backend>(
        &self,
        detector: &Detector<B>,
        image: &CocoImage,
    ) -> Result<ImageDetections> {
        let path = self.args.classifier.data.join(&image.file);
        let pixels = detector.prepare(&*path).map_err(ImageFailure::from);
        let found = pixels.and_then(|pixels| detector.detect_prepared(&pixels));
        found
            .map_err(Error::from)
            .with_context(|| format!("image {} (`{}`)", image.id, path.display()))
    }
}

fn result(image: u64, category: u64, object: &DetectedObject) -> CocoResult {
    let [x1, y1, x2, y2] = object.bounds.map(f64::from);
    CocoResult {
        image,
        category,
        score: object.score.into(),
        bounds: [x1, y1, x2 - x1, y2 - y1],
        mask: object.mask.as_ref().map(|mask| {
            let size = mask
                .size
                .map(|side| u32::try_from(side).unwrap_or(u32::MAX));
            (size, mask.counts.clone())
        }),
        keypoints: object.keypoints.as_ref().map(|points| {
            let points = points.iter();
            points
                .flat_map(|point| [point.x.into(), point.y.into(), 1.0])
                .collect()
        }),
    }
}

fn table(out: &mut impl Write, metrics: &[CocoMetrics]) -> Result<()> {
    for task in metrics {
        let name = match task.task {
            CocoTask::Boxes => "boxes",
            CocoTask::Masks => "masks",
            CocoTask::Keypoints => "keypoints",
        };
        for metric in &task.numbers {
            writeln!(out, "{name:9}  {:10} {:6.3}", metric.name, metric.value)?;
        }
        for category in task.categories.iter().filter(|category| category.ap >= 0.0) {
            writeln!(
                out,
                "{name:9}  {:6.3}  {}",
                category.ap,
                printable(&category.name)
            )?;
        }
    }
    Ok(())
}
