//! `preview`: a contact sheet of augmented images with their annotations.

use anyhow::{Context, Result};
use image::RgbImage;
use resnet_cli::{Outcome, tell_left_out, write};
use resnet_data::BadImage;
use resnet_data::class_maps::{ClassMapDataset, ClassMapLoader, IGNORE};
use resnet_data::objects::{ObjectDataset, ObjectLoader, TargetParts};
use resnet_dense::{ImageTensor, Target};
use resnet_image::draw::{Annotation, Region, annotate, overlay};
use resnet_image::{Filter, resize};
use resnet_train::Config;
use resnet_train::report::{Cell, sheet_of};

use super::Data;
use super::mistakes::points;
use crate::cli::{Bad, Preview};
use crate::commands::png;

/// Width and height of an image on the sheet, in pixels.
const SIDE: u32 = 320;

/// The drawings, and the unreadable images.
type Drawn = (Vec<Cell>, Vec<BadImage>);

pub(crate) fn run(args: &Preview, config: &Config) -> Result<Outcome> {
    let data = Data::open(&args.data.data, args.objects.images.clone(), config)?;
    data.tell(Bad::Skip)?;
    let (cells, bad) = match data {
        Data::Objects([train, _]) => objects(train, config, args.count)?,
        Data::ClassMaps([train, _]) => class_maps(train, config, args.count)?,
    };
    bad.iter().for_each(tell_left_out);
    let sheet = sheet_of(&cells, args.columns, [SIDE; 2]);
    write(&args.output, &png(&sheet)?)?;
    Ok(Outcome::of(!bad.is_empty()))
}

fn objects(data: ObjectDataset, config: &Config, count: usize) -> Result<Drawn> {
    let parts = TargetParts {
        first_class: 0,
        masks: data.has_masks(),
        keypoints: data.keypoints().names.len(),
    };
    let loader = ObjectLoader::of_parts(data, config.objects, parts)?;
    let loader = loader.with_batch_size(1).with_seed(config.seed);
    let (mut cells, mut bad) = (Vec::new(), Vec::new());
    for batch in loader.epoch_from(0, 0)?.take(count) {
        for (image, target) in batch.images.iter().zip(&batch.targets) {
            cells.push(cell(image, target, loader.dataset())?);
        }
        bad.extend(batch.bad);
    }
    Ok((cells, bad))
}

/// Draws an image with its objects. Large images are reduced first, so that the text stays legible.
fn cell(image: &ImageTensor, target: &Target, data: &ObjectDataset) -> Result<Cell> {
    let [height, width] = image.size();
    let bytes = image.bytes().map(<[u8]>::to_vec);
    let pixels = bytes.and_then(|bytes| RgbImage::from_raw(width as u32, height as u32, bytes));
    let pixels = pixels.context("expected an RGB image")?;
    let size = fitted([height, width]);
    let pixels = resize(&pixels, size[1] as u32, size[0] as u32, Filter::Bilinear)?;
    let target = target.resize([height, width], size);
    let objects = target.boxes.iter().zip(&target.labels).enumerate();
    let objects: Vec<Annotation> = objects
        .map(|(i, (&bounds, &class))| Annotation {
            bounds,
            text: data.classes().get(class).cloned().unwrap_or_default(),
            color: class,
            mask: target
                .masks
                .get(i)
                .and_then(|mask| Region::within(mask, size)),
            keypoints: target
                .keypoints
                .get(i)
                .map(|of| points(of))
                .unwrap_or_default(),
        })
        .collect();
    Ok(Cell {
        image: annotate(&pixels, &objects, &data.keypoints().skeleton),
        lines: vec![format!("objects: {}", objects.len())],
    })
}

/// Returns the size of an image on the sheet; small images keep their size.
fn fitted(size: [usize; 2]) -> [usize; 2] {
    let longer = size[0].max(size[1]);
    let side = (SIDE as usize).min(longer);
    size.map(|length| (length * side / longer.max(1)).max(1))
}

fn class_maps(data: ClassMapDataset, config: &Config, count: usize) -> Result<Drawn> {
    let loader = ClassMapLoader::training(data, config.class_maps)?;
    let loader = loader.with_batch_size(1).with_seed(config.seed);
    let (mut cells, mut bad) = (Vec::new(), Vec::new());
    for batch in loader.epoch_from(0, 0)?.take(count) {
        for image in &batch.images {
            cells.push(map_cell(image, &batch.classes, loader.dataset().classes()));
        }
        bad.extend(batch.bad);
    }
    Ok((cells, bad))
}

/// Draws an image with its classes, and names the largest class besides the background.
fn map_cell(image: &RgbImage, map: &[usize], names: &[String]) -> Cell {
    let mut pixels = vec![0usize; names.len()];
    for class in map {
        if let Some(count) = pixels.get_mut(*class) {
            *count += 1;
        }
    }
    let largest = (1..pixels.len()).max_by_key(|class| pixels[*class]);
    let largest = largest.filter(|class| pixels[*class] > 0);
    let caption = largest.map_or("background", |class| names[class].as_str());
    // Pixels without a class stay clear.
    let clear = |class: &usize| match *class == usize::from(IGNORE) {
        true => 0,
        false => u16::try_from(*class).unwrap_or(0),
    };
    let drawn = overlay(image, &map.iter().map(clear).collect::<Vec<_>>());
    Cell {
        image: drawn,
        lines: vec![caption.into()],
    }
}
