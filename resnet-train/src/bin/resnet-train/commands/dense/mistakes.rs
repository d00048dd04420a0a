//! The worst validation images: ground truth beside predictions.

use anyhow::Result;
use burn::tensor::{Tensor, backend::Backend};
use image::{RgbImage, imageops};
use resnet_data::class_maps::{ClassMapDataset, IGNORE};
use resnet_data::objects::{ImageObject, ObjectDataset, TargetParts};
use resnet_dense::ops::boxes::iou;
use resnet_dense::ops::resize::best_classes;
use resnet_dense::{Detection, DetectorNetwork, ImageTensor, Segmentation};
use resnet_image::draw::{Annotation, Region, annotate, overlay};
use resnet_image::{Filter, Preprocessing, resize_shorter_side, to_tensor};
use resnet_train::report::{Cell, fitted, sheet_of};

/// Images on the sheet.
const SHOWN: usize = 12;
/// Images that are searched for mistakes.
const SEARCHED: usize = 200;
/// Detections with a lower score do not count.
const SCORE: f32 = 0.5;
/// Width and height of a pair on the sheet, in pixels.
const SIZE: [u32; 2] = [648, 320];
/// Space between ground truth and predictions, in pixels.
const GAP: u32 = 8;

/// An image with its mistakes. A larger number is worse.
struct Worst {
    badness: f64,
    cell: Cell,
}

fn keep(worst: &mut Vec<Worst>, badness: f64, cell: impl FnOnce() -> Cell) {
    let place = worst.partition_point(|other| other.badness >= badness);
    if badness > 0.0 && place < SHOWN {
        let Cell { image, lines } = cell();
        let image = fitted(image, SIZE);
        let cell = Cell { image, lines };
        worst.insert(place, Worst { badness, cell });
        worst.truncate(SHOWN);
    }
}

fn finish(worst: Vec<Worst>) -> RgbImage {
    let cells: Vec<Cell> = worst.into_iter().map(|worst| worst.cell).collect();
    sheet_of(&cells, 2, SIZE)
}

/// Puts two images of the same size side by side.
fn beside(truth: &RgbImage, found: &RgbImage) -> RgbImage {
    let (width, height) = truth.dimensions();
    let white = image::Rgb([255; 3]);
    let mut both = RgbImage::from_pixel(2 * width + GAP, height, white);
    imageops::replace(&mut both, truth, 0, 0);
    imageops::replace(&mut both, found, (width + GAP).into(), 0);
    both
}

fn file_name(name: &str) -> String {
    let name = std::path::Path::new(name).file_name();
    name.map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Draws the images with the most missed and wrong objects.
pub(super) fn of_objects<B: Backend>(
    data: &ObjectDataset,
    network: &DetectorNetwork<B>,
    device: &B::Device,
) -> RgbImage {
    let first = TargetParts::of(&network.config()).first_class;
    let skeleton = &data.keypoints().skeleton;
    let mut worst = Vec::new();
    for image in data.images().iter().take(SEARCHED) {
        let Ok((pixels, objects)) = image.load() else {
            continue;
        };
        let size = [pixels.height() as usize, pixels.width() as usize];
        let tensor = ImageTensor::from_bytes(size, pixels.as_raw().clone());
        let mut found: Vec<Detection> = network
            .detect(&[tensor], device)
            .into_iter()
            .flatten()
            .collect();
        found.retain(|object| object.score >= SCORE && object.label >= first);
        let same = |object: &ImageObject, found: &Detection| {
            object.class + first == found.label && iou(object.corners, found.corners) >= 0.5
        };
        let missed = objects
            .iter()
            .filter(|object| !object.crowd && !found.iter().any(|found| same(object, found)));
        let wrong = found
            .iter()
            .filter(|found| !objects.iter().any(|object| same(object, found)));
        let (missed, wrong) = (missed.count(), wrong.count());
        keep(&mut worst, (missed + wrong) as f64, || {
            let name = |class: usize| data.classes().get(class).cloned().unwrap_or_default();
            let truth: Vec<Annotation> = objects
                .iter()
                .map(|object| Annotation {
                    bounds: object.corners,
                    text: name(object.class),
                    color: object.class,
                    mask: object
                        .mask
                        .as_ref()
                        .and_then(|mask| Region::within(&mask.pixels(size), size)),
                    keypoints: points(&object.keypoints),
                })
                .collect();
            let predicted: Vec<Annotation> = found
                .iter()
                .map(|object| Annotation {
                    bounds: object.corners,
                    text: format!(
                        "{} {:.0} %",
                        name(object.label - first),
                        100.0 * object.score
                    ),
                    color: object.label - first,
                    mask: object
                        .mask
                        .as_ref()
                        .and_then(|mask| Region::within(&mask.paste().above(0.5), size)),
                    keypoints: object
                        .keypoints
                        .iter()
                        .flatten()
                        .map(|point| Some([point.x, point.y]))
                        .collect(),
                })
                .collect();
            Cell {
                image: beside(
                    &annotate(&pixels, &truth, skeleton),
                    &annotate(&pixels, &predicted, skeleton),
                ),
                lines: vec![
                    format!("{missed} missed, {wrong} wrong"),
                    file_name(&image.name()),
                ],
            }
        });
    }
    finish(worst)
}

pub(super) fn points(points: &[[f32; 3]]) -> Vec<Option<[f32; 2]>> {
    let point = |[x, y, visible]: &[f32; 3]| (*visible > 0.0).then_some([*x, *y]);
    points.iter().map(point).collect()
}

/// Draws the images with the largest share of wrong pixels.
pub(super) fn of_pixels<B: Backend>(
    data: &ClassMapDataset,
    network: &Segmentation<B>,
    preprocessing: &Preprocessing,
    device: &B::Device,
) -> Result<RgbImage> {
    let mut worst = Vec::new();
    for image in data.images().iter().take(SEARCHED) {
        let Ok((pixels, map)) = image.load() else {
            continue;
        };
        let resized = match preprocessing.resize {
            Some(side) => resize_shorter_side(&pixels, side, Filter::Bilinear)?,
            None => pixels.clone(),
        };
        let (mean, std) = (preprocessing.mean, preprocessing.std);
        let x: Tensor<B, 4> = to_tensor(&[resized], mean, std, device)?;
        let size = [pixels.height() as usize, pixels.width() as usize];
        let found = best_classes(network.forward(x).out, size);
        let counted = map.iter().filter(|class| **class != IGNORE).count();
        let wrong = map
            .iter()
            .zip(&found)
            .filter(|(truth, found)| **truth != IGNORE && u16::from(**truth) != **found);
        let share = wrong.count() as f64 / counted.max(1) as f64;
        keep(&mut worst, share, || {
            // Borders without a class stay clear.
            let truth = map.iter().map(|class| match *class {
                IGNORE => 0,
                class => u16::from(class),
            });
            Cell {
                image: beside(
                    &overlay(&pixels, &truth.collect::<Vec<_>>()),
                    &overlay(&pixels, &found),
                ),
                lines: vec![
                    format!("{:.1} % wrong", 100.0 * share),
                    file_name(&image.name()),
                ],
            }
        });
    }
    Ok(finish(worst))
}
