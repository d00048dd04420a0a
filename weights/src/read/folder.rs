//! Folders of transformers and timm: weights with a `config.json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use resnet_core::ResNetConfig;
use serde_json::Value;

mod preprocessing;

use super::ReadError;
use crate::metadata::Metadata;
use crate::{Labels, OutputActivation, Overrides};

/// The files of weights in a folder, in order of preference.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";

/// The upper limit of the file size, far above the size of all class names.
const MAX_JSON_BYTES: u64 = 16 << 20;

/// The content of a `config.json`.
pub(super) struct Sidecar {
    metadata: Metadata,
}

impl Sidecar {
    /// Adds the values that the file of weights does not contain itself.
    pub(super) fn fill_in(self, metadata: &mut Metadata) {
        let told = self.metadata;
        if metadata.config.is_some() {
            return;
        }
        metadata.config = told.config;
        metadata.options = told.options;
        metadata.labels = metadata.labels.take().or(told.labels);
        metadata.preprocessing = metadata.preprocessing.take().or(told.preprocessing);
        metadata.activation = metadata.activation.or(told.activation);
        metadata.notes.extend(told.notes);
    }
}

/// Returns the file of weights in a folder.
pub(super) fn weights_in(folder: &Path) -> Result<PathBuf, ReadError> {
    let files = WEIGHTS.iter().map(|name| folder.join(name));
    let found = files.into_iter().find(|path| path.is_file());
    let file = || folder.display().to_string();
    let index = WEIGHTS
        .iter()
        .map(|name| folder.join(format!("{name}.index.json")));
    match found {
        Some(path) => Ok(path),
        None if index.into_iter().any(|path| path.is_file()) => {
            Err(shard(file(), "holds a network"))
        }
        None => Err(ReadError::Folder { file: file() }),
    }
}

/// Returns an error for a file that is one of several shards by its name, such as
/// `model-00001-of-00004.safetensors`.
pub(super) fn check_whole(path: &Path) -> Result<(), ReadError> {
    let name = path
        .file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    match name.rsplit_once("-of-") {
        Some((first, count))
            if number(count)
                && count != "00001"
                && first.rsplit('-').next().is_some_and(number) =>
        {
            Err(shard(path.display().to_string(), "is a part of a network"))
        }
        _ => Ok(()),
    }
}

fn shard(file: String, what: &str) -> ReadError {
    ReadError::Unrepresentable {
        file,
        cause: format!("{what} in several files (shards)"),
        advice: "save it in one: `model.save_pretrained(…, max_shard_size=\"100GB\")`",
    }
}

/// Reads the `config.json` beside a file of weights, if the file has a standard name of the two
/// libraries.
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
    let mut metadata = Metadata::default();
    if config.get("architecture").is_some() {
        timm(&config, &mut metadata).map_err(wrong)?;
    } else if config.get("model_type").and_then(Value::as_str) == Some("resnet") {
        let preprocessor = read(&folder.join(PREPROCESSOR))?;
        transformers(&config, preprocessor.as_ref(), &mut metadata).map_err(wrong)?;
    } else {
        metadata.notes.push(format!(
            "`{file}` is not used: expected the config of a ResNet from transformers or timm"
        ));
        return Ok(Some(Sidecar { metadata }));
    }
    metadata
        .notes
        .push(format!("reads `{file}` beside the weights"));
    Ok(Some(Sidecar { metadata }))
}

/// Reads a JSON file. Returns `None` if it does not exist.
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

/// Reads the config that `save_pretrained` of transformers writes for
/// `ResNetForImageClassification`.
fn transformers(
    config: &Value,
    preprocessor: Option<&Value>,
    metadata: &mut Metadata,
) -> Result<(), String> {
    let is_set = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(false);
    if is_set("downsample_in_first_stage") {
        return Err(
            "`downsample_in_first_stage` is true; expected a first stage of stride 1".into(),
        );
    }
    if is_set("downsample_in_bottleneck") {
        let options = Overrides::default().set("stride_placement=conv1x1");
        metadata.options = options.map_err(|error| error.to_string())?;
    }
    match config.get("hidden_act").and_then(Value::as_str) {
        None | Some("relu") => {}
        // transformers applies `hidden_act` only in the stem and after the residual additions, and
        // ReLU elsewhere.
        Some(other) => return Err(format!("`hidden_act`: expected `relu`, found `{other}`")),
    }
    metadata.labels = config.get("id2label").and_then(by_number);
    metadata.activation = match config.get("problem_type").and_then(Value::as_str) {
        Some("multi_label_classification") => Some(OutputActivation::Sigmoid),
        Some("single_label_classification") => Some(OutputActivation::Softmax),
        _ => None,
    };
    match preprocessor.map(preprocessing::of_transformers) {
        None => {}
        Some(Ok(preprocessing)) => metadata.preprocessing = Some(preprocessing),
        Some(Err(cause)) => metadata.notes.push(unused(PREPROCESSOR, &cause)),
    }
    Ok(())
}

/// Reads the config that `save_for_hf` of timm writes.
fn timm(config: &Value, metadata: &mut Metadata) -> Result<(), String> {
    let name = config["architecture"].as_str().unwrap_or_default();
    let network = ResNetConfig::named(name).map_err(|error| format!("`architecture`: {error}"))?;
    metadata.config = Some(timm_options(config, network)?);
    let pretrained = config.get("pretrained_cfg").unwrap_or(&Value::Null);
    metadata.labels = [config, pretrained]
        .iter()
        .find_map(|source| source.get("label_names"))
        .and_then(names);
    match preprocessing::of_timm(pretrained) {
        None => {}
        Some(Ok(preprocessing)) => metadata.preprocessing = Some(preprocessing),
        Some(Err(cause)) => metadata.notes.push(unused("pretrained_cfg", &cause)),
    }
    Ok(())
}

/// Applies the options that were passed to timm's factory function. Options that only affect
/// training or initialization, and options that the tensors show, are ignored.
fn timm_options(config: &Value, network: ResNetConfig) -> Result<ResNetConfig, String> {
    let mut network = network;
    let set = |network: ResNetConfig, option: &str, value: &Value| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), String::from);
        let value = match (option, text.as_str()) {
            // timm's `fast…` variants compute the same.
            ("global_pool", "fast" | "fastavg") => "avg",
            ("global_pool", "fastmax") => "max",
            ("global_pool", "avgmax" | "fastavgmax") => "avg_max",
            ("global_pool", "catavgmax" | "fastcatavgmax") => "cat_avg_max",
            // No pool, because there is no classifier.
            ("global_pool", "") => return Ok(network),
            (_, text) => text,
        };
        let change = Overrides::default().set(&format!("{option}={value}"));
        change
            .and_then(|change| change.apply(network))
            .map_err(|error| error.to_string())
    };
    if let Some(pool) = config.get("global_pool").filter(|pool| !pool.is_null()) {
        network = set(network, "global_pool", pool)?;
    }
    let arguments = config.get("model_args").and_then(Value::as_object);
    for (name, value) in arguments.into_iter().flatten() {
        match name.as_str() {
            // The tensors show these options.
            "num_classes" | "in_chans" => {}
            "drop_rate" | "drop_path_rate" | "drop_block_rate" | "zero_init_last"
            | "pretrained" => {}
            _ if value.is_null() => {}
            "features_only" if *value == Value::Bool(false) => {}
            "global_pool" | "output_stride" => network = set(network, name, value)?,
            _ => {
                return Err(format!(
                    "`model_args` sets `{name}` of the network, which is not read; name the architecture and its \
                     options (`ModelSource::with_arch`, `ModelSource::with_overrides`) and give the file of weights under another name"
                ));
            }
        }
    }
    Ok(network)
}

fn unused(place: &str, cause: &str) -> String {
    format!(
        "the preprocessing in `{place}` is not used: {cause}; uses the default one, see the fields of `Preprocessing`"
    )
}

fn names(value: &Value) -> Option<Labels> {
    let items = value.as_array()?.iter();
    let names: Option<Vec<&str>> = items.map(Value::as_str).collect();
    names.map(Labels::from_iter)
}

/// Reads labels such as `{"0": "ant", "1": "bee"}`. Returns `None` if a number is missing.
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
