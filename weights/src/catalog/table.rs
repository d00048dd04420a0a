//! Parses `catalog.csv` once.

use std::sync::LazyLock;

use resnet_core::Arch;
use resnet_image::{Filter, Preprocessing};
use serde::Deserialize;

use super::{Accuracy, License, Source, Weights};
use crate::embedded;

static ALL: LazyLock<Vec<Weights>> = LazyLock::new(|| {
    let table = include_str!("../../catalog/catalog.csv");
    let mut all = read(table).expect("the table is tested");
    all.push(embedded::row());
    all
});

/// A row of the table.
#[derive(Deserialize)]
struct Row {
    id: String,
    default: u8,
    torchvision: Option<String>,
    url: Option<String>,
    hub: String,
    mib: Option<f64>,
    notes: String,
    classes: usize,
    license: License,
    origin: String,
    parameters: u64,
    gmacs: f64,
    filter: Filter,
    mean: String,
    std: String,
    resize: u32,
    crop: u32,
    top1: Option<f64>,
    top5: Option<f64>,
    train_resize: u32,
    train_crop: u32,
    train_top1: Option<f64>,
    train_top5: Option<f64>,
}

impl Weights {
    /// Returns all published weights for the networks of this zoo: torchvision's and timm's, in
    /// timm's order, then this project's own.
    pub fn all() -> &'static [Self] {
        &ALL
    }
}

fn read(table: &str) -> Result<Vec<Weights>, Box<dyn std::error::Error>> {
    csv::Reader::from_reader(table.as_bytes())
        .deserialize()
        .map(|row| weights(row?))
        .collect()
}

fn weights(row: Row) -> Result<Weights, Box<dyn std::error::Error>> {
    let (arch, _) = row.id.split_once('.').ok_or("an id without a tag")?;
    let arch: Arch = arch.parse()?;
    let (mean, std) = (triple(&row.mean)?.into(), triple(&row.std)?.into());
    let preprocessing = |resize, crop| Preprocessing {
        resize: Some(resize),
        crop: Some(crop),
        filter: row.filter,
        mean,
        std,
    };
    let (train_preprocessing, preprocessing) = (
        preprocessing(row.train_resize, row.train_crop),
        preprocessing(row.resize, row.crop),
    );
    let sources = sources(row.url, row.hub, row.torchvision.is_some())?;
    Ok(Weights {
        arch,
        default: row.default == 1,
        torchvision: row.torchvision,
        sources,
        mib: row.mib,
        notes: row.notes,
        classes: row.classes,
        license: row.license,
        origin: row.origin,
        parameters: row.parameters,
        gmacs: row.gmacs,
        preprocessing,
        train_preprocessing,
        accuracy: accuracy(row.top1, row.top5),
        train_accuracy: accuracy(row.train_top1, row.train_top5),
        id: row.id,
    })
}

/// Orders the sources: the publisher's server first for torchvision's weights, the Hugging Face hub
/// first for timm's, as in timm.
fn sources(
    url: Option<String>,
    repo: String,
    torchvision: bool,
) -> Result<Vec<Source>, Box<dyn std::error::Error>> {
    let hub = Source::Hub {
        repo,
        file: "model.safetensors".into(),
    };
    let Some(url) = url else {
        return Ok(vec![hub]);
    };
    // `resnet50-0676ba61.pth`: the file name contains the hash.
    let (_, end) = url.rsplit_once('-').ok_or("a file name without a hash")?;
    let (sha256, _) = end.split_once('.').ok_or("a file name without an ending")?;
    let sha256 = sha256.to_string();
    let url = Source::Url { url, sha256 };
    Ok(match torchvision {
        true => vec![url, hub],
        false => vec![hub, url],
    })
}

fn accuracy(top1: Option<f64>, top5: Option<f64>) -> Option<Accuracy> {
    Some(Accuracy {
        top1: top1?,
        top5: top5?,
    })
}

fn triple(text: &str) -> Result<[f32; 3], Box<dyn std::error::Error>> {
    let numbers: Vec<f32> = text.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    numbers
        .try_into()
        .map_err(|_| format!("`{text}`: expected three numbers").into())
}
