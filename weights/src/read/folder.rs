//! Folders of transformers and timm: weights beside a `config.json` that describes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use resnet_core::ResNetConfig;
use resnet_image::{Filter, Recipe};
use serde_json::Value;

use super::ReadError;
use crate::about::About;
use crate::{Labels, OutputActivation, Overrides};

/// The weights of a folder, the first that is there. Others may lie beside them.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";

/// Far more than the names of all classes take.
const MAX_JSON_BYTES: u64 = 16 << 20;

/// What a `config.json` tells.
pub(super) struct Sidecar {
    about: About,
}

impl Sidecar {
    /// Adds what the file of weights does not tell itself.
    pub(super) fn tell(self, about: &mut About) {
        let told = self.about;
        if about.config.is_some() {
            return;
        }
        about.config = told.config;
        about.options = told.options;
        about.labels = about.labels.take().or(told.labels);
        about.recipe = about.recipe.take().or(told.recipe);
        about.activation = about.activation.or(told.activation);
        about.notes.extend(told.notes);
    }
}

/// The file of weights in a folder.
pub(super) fn weights_in(folder: &Path) -> Result<PathBuf, ReadError> {
    let files = WEIGHTS.iter().map(|name| folder.join(name));
    files
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| ReadError::Folder {
            file: folder.display().to_string(),
        })
}

/// Reads the `config.json` beside a file that is named as the two libraries name theirs.
pub(super) fn config_beside(weights: &Path) -> Result<Option<Sidecar>, ReadError> {
    let named = weights
        .file_name()
        .is_some_and(|name| WEIGHTS.iter().any(|known| name == *known));
    let Some(folder) = weights.parent().filter(|_| named) else {
        return Ok(None);
    };
    let path = folder.join(CONFIG);
    let Some(config) = read(&path)? else {
        return Ok(None);
    };
    let file = path.display().to_string();
    let wrong = |cause: String| ReadError::Config {
        file: file.clone(),
        cause,
    };
    let mut about = About::default();
    if config.get("architecture").is_some() {
        timm(&config, &mut about).map_err(wrong)?;
    } else if config.get("model_type").and_then(Value::as_str) == Some("resnet") {
        let preprocessor = read(&folder.join(PREPROCESSOR))?;
        transformers(&config, preprocessor.as_ref(), &mut about).map_err(wrong)?;
    } else {
        about.notes.push(format!(
            "`{file}` is not used: expected that of a ResNet of transformers or timm"
        ));
        return Ok(Some(Sidecar { about }));
    }
    about
        .notes
        .push(format!("reads `{file}` beside the weights"));
    Ok(Some(Sidecar { about }))
}

/// The JSON of a file, if the file is there.
fn read(path: &Path) -> Result<Option<Value>, ReadError> {
    if !path.is_file() {
        return Ok(None);
    }
    let file = path.display().to_string();
    let mut text = String::new();
    File::open(path)
        .and_then(|input| input.take(MAX_JSON_BYTES).read_to_string(&mut text))
        .map_err(|error| ReadError::io(&file, error))?;
    let value = serde_json::from_str(&text);
    value.map(Some).map_err(|error| ReadError::Config {
        file,
        cause: error.to_string(),
    })
}

/// What `save_for_hf` of timm writes.
fn timm(config: &Value, about: &mut About) -> Result<(), String> {
    let name = config["architecture"].as_str().unwrap_or_default();
    let network = ResNetConfig::named(name).map_err(|error| format!("`architecture`: {error}"))?;
    let arguments = config.get("model_args").and_then(Value::as_object);
    if let Some(name) = arguments.and_then(|arguments| arguments.keys().next()) {
        return Err(format!(
            "`model_args` changes `{name}` of the network, which is not read; name the architecture and its options \
             (`--arch`, `--set`) and give the file of weights under another name"
        ));
    }
    about.config = Some(network);
    let pretrained = config.get("pretrained_cfg").unwrap_or(&Value::Null);
    about.labels = [config, pretrained]
        .iter()
        .find_map(|source| source.get("label_names"))
        .and_then(names);
    let number = |test: &str, plain: &str| {
        let value = pretrained.get(test).filter(|value| !value.is_null());
        value.or_else(|| pretrained.get(plain)).cloned()
    };
    let size = number("test_input_size", "input_size");
    let side = size.as_ref().and_then(|size| size.get(1)?.as_u64());
    let share = number("test_crop_pct", "crop_pct").and_then(|share| share.as_f64());
    let filter = pretrained.get("interpolation").and_then(Value::as_str);
    let filter = match filter {
        None | Some("bilinear" | "random") => Filter::Bilinear,
        Some("bicubic") => Filter::Bicubic,
        Some(other) => {
            let note = format!("the interpolation `{other}` of `pretrained_cfg` is not known");
            about.notes.push(note);
            return Ok(());
        }
    };
    if let (Some(side), Some(share)) = (side, share) {
        let resize = (side as f64 / share).floor();
        let plain = |key: &str| pretrained.get(key).and_then(floats);
        about.recipe = recipe(resize, side, filter, plain("mean"), plain("std"))?;
    }
    Ok(())
}

/// What `save_pretrained` of transformers writes for `ResNetForImageClassification`.
fn transformers(
    config: &Value,
    preprocessor: Option<&Value>,
    about: &mut About,
) -> Result<(), String> {
    let is_set = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(false);
    if is_set("downsample_in_first_stage") {
        return Err(
            "`downsample_in_first_stage` is true; expected a first stage of stride 1".into(),
        );
    }
    let mut options = Overrides::default();
    let set = |options: Overrides, change: &str| options.set(change).map_err(|e| e.to_string());
    if is_set("downsample_in_bottleneck") {
        options = set(options, "stride_placement=conv1x1")?;
    }
    match config.get("hidden_act").and_then(Value::as_str) {
        None | Some("relu") => {}
        Some("silu" | "swish") => options = set(options, "activation=silu")?,
        Some(other) => {
            return Err(format!(
                "`hidden_act`: expected `relu` or `silu`, found `{other}`"
            ));
        }
    }
    about.options = options;
    about.labels = config.get("id2label").and_then(by_number);
    about.activation = match config.get("problem_type").and_then(Value::as_str) {
        Some("multi_label_classification") => Some(OutputActivation::Sigmoid),
        Some("single_label_classification") => Some(OutputActivation::Softmax),
        _ => None,
    };
    let Some(preprocessor) = preprocessor else {
        return Ok(());
    };
    let whole = |key: &str| preprocessor.get(key);
    let size = whole("size").and_then(|size| size.get("shortest_edge").unwrap_or(size).as_u64());
    let share = whole("crop_pct").and_then(Value::as_f64).unwrap_or(0.875);
    let filter = match whole("resample").and_then(Value::as_u64) {
        Some(2) => Some(Filter::Bilinear),
        Some(3) => Some(Filter::Bicubic),
        _ => None,
    };
    // From 384 pixels on, `ConvNextImageProcessor` resizes to a square without regard to the
    // aspect ratio.
    let (Some(size @ 1..384), Some(filter)) = (size, filter) else {
        let note = format!("the preprocessing in `{PREPROCESSOR}` is of another kind and not used");
        about.notes.push(note);
        return Ok(());
    };
    let plain = |key: &str| whole(key).and_then(floats);
    let resize = (size as f64 / share).floor();
    about.recipe = recipe(
        resize,
        size,
        filter,
        plain("image_mean"),
        plain("image_std"),
    )?;
    Ok(())
}

fn recipe(
    resize: f64,
    crop: u64,
    filter: Filter,
    mean: Option<Vec<f32>>,
    std: Option<Vec<f32>>,
) -> Result<Option<Recipe>, String> {
    let (Some(mean), Some(std)) = (mean, std) else {
        return Ok(None);
    };
    let (Ok(mean), Ok(std)) = (mean.try_into(), std.try_into()) else {
        return Ok(None);
    };
    let side = |side: f64| {
        (1.0..=f64::from(u32::MAX))
            .contains(&side)
            .then_some(side as u32)
    };
    let recipe = Recipe {
        resize: side(resize),
        crop: side(crop as f64),
        filter,
        mean,
        std,
    };
    if recipe.resize.is_none() || recipe.crop.is_none() {
        return Err(format!(
            "preprocessing: expected sizes of 1 or more, found {resize} and {crop}"
        ));
    }
    recipe.validate().map_err(|error| error.to_string())?;
    Ok(Some(recipe))
}

fn floats(value: &Value) -> Option<Vec<f32>> {
    let items = value.as_array()?.iter();
    items
        .map(|item| item.as_f64().map(|item| item as f32))
        .collect()
}

fn names(value: &Value) -> Option<Labels> {
    let items = value.as_array()?.iter();
    let names: Option<Vec<&str>> = items.map(Value::as_str).collect();
    names.map(Labels::from_iter)
}

/// `{"0": "ant", "1": "bee"}`; nothing where a number is missing.
fn by_number(value: &Value) -> Option<Labels> {
    let mut labels: BTreeMap<usize, &str> = BTreeMap::new();
    for (number, name) in value.as_object()? {
        labels.insert(number.parse().ok()?, name.as_str()?);
    }
    let dense = labels
        .keys()
        .enumerate()
        .all(|(place, number)| place == *number);
    dense.then(|| labels.into_values().collect())
}
