//! Metadata of a state dict: JSON strings in the header of a file.

use std::collections::{BTreeMap, HashMap};

use resnet_core::ResNetConfig;
use resnet_dense::DenseConfig;
use resnet_image::Preprocessing;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::options::config_from_json;
use crate::{CategoryIds, KeypointNames, Labels, OutputActivation, Overrides, QuantizationInfo};

/// The keys in the header. Each value is JSON.
const CONFIG: &str = "resnet_config";
const DENSE_CONFIG: &str = "resnet_dense_config";
const LABELS: &str = "resnet_labels";
const RECIPE: &str = "resnet_recipe";
const ACTIVATION: &str = "resnet_output_activation";
const CATEGORY_IDS: &str = "resnet_category_ids";
const KEYPOINTS: &str = "resnet_keypoints";
const QUANTIZATION: &str = "resnet_quantization";
const KNOWN: [&str; 8] = [
    CONFIG,
    DENSE_CONFIG,
    LABELS,
    RECIPE,
    ACTIVATION,
    CATEGORY_IDS,
    KEYPOINTS,
    QUANTIZATION,
];
/// The prefix of the keys in training states, which are also files of weights.
const TRAINING: &str = "resnet_train_";

/// The config, labels and preprocessing that a file states.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) config: Option<ResNetConfig>,
    /// The config of a detector or segmentation network.
    pub(crate) dense_config: Option<DenseConfig>,
    pub(crate) labels: Option<Labels>,
    pub(crate) preprocessing: Option<Preprocessing>,
    pub(crate) activation: Option<OutputActivation>,
    pub(crate) category_ids: Option<CategoryIds>,
    pub(crate) keypoints: Option<KeypointNames>,
    pub(crate) quantization: Option<QuantizationInfo>,
    /// Options that override the inferred ones.
    pub(crate) options: Overrides,
    /// Notes for the user on the sources of these values.
    pub(crate) notes: Vec<String>,
}

impl Metadata {
    /// Returns the header of a file with these values.
    pub(crate) fn to_header(&self) -> Result<BTreeMap<&'static str, String>, serde_json::Error> {
        let mut header = BTreeMap::new();
        put(&mut header, CONFIG, self.config.as_ref())?;
        put(&mut header, DENSE_CONFIG, self.dense_config.as_ref())?;
        put(&mut header, LABELS, self.labels.as_ref())?;
        put(&mut header, RECIPE, self.preprocessing.as_ref())?;
        put(&mut header, ACTIVATION, self.activation.as_ref())?;
        put(&mut header, CATEGORY_IDS, self.category_ids.as_ref())?;
        put(&mut header, KEYPOINTS, self.keypoints.as_ref())?;
        put(&mut header, QUANTIZATION, self.quantization.as_ref())?;
        Ok(header)
    }

    /// Reads the header of a file.
    ///
    /// # Errors
    ///
    /// Returns the reason if a value is invalid.
    pub(crate) fn from_header(header: &HashMap<String, String>) -> Result<Self, String> {
        let ours = |key: &&String| key.starts_with("resnet_") && !key.starts_with(TRAINING);
        let mut unknown = header.keys().filter(ours);
        if let Some(key) = unknown.find(|key| !KNOWN.contains(&key.as_str())) {
            let known = KNOWN.join("`, `");
            return Err(format!("unknown `{key}` in its header, expected `{known}`"));
        }
        let config: Option<serde_json::Value> = get(header, CONFIG)?;
        let config = config.map(config_from_json).transpose();
        let metadata = Self {
            config: config.map_err(|cause| format!("the `{CONFIG}` in its header: {cause}"))?,
            dense_config: get(header, DENSE_CONFIG)?,
            labels: get(header, LABELS)?,
            preprocessing: get(header, RECIPE)?,
            activation: get(header, ACTIVATION)?,
            category_ids: get(header, CATEGORY_IDS)?,
            keypoints: get(header, KEYPOINTS)?,
            quantization: get(header, QUANTIZATION)?,
            ..Self::default()
        };
        let wrong = |key: &str, cause: String| format!("the `{key}` in its header: {cause}");
        if let Some(config) = &metadata.config {
            let valid = config.validate();
            valid.map_err(|error| wrong(CONFIG, error.to_string()))?;
        }
        if let Some(config) = &metadata.dense_config {
            let valid = config.validate();
            valid.map_err(|error| wrong(DENSE_CONFIG, error.to_string()))?;
        }
        if let Some(preprocessing) = &metadata.preprocessing {
            let valid = preprocessing.validate();
            valid.map_err(|error| wrong(RECIPE, error.to_string()))?;
        }
        if let Some(keypoints) = &metadata.keypoints {
            let valid = keypoints.validate();
            valid.map_err(|cause| wrong(KEYPOINTS, cause))?;
        }
        if let Some(quantization) = &metadata.quantization {
            let valid = quantization.validate();
            valid.map_err(|cause| wrong(QUANTIZATION, cause))?;
        }
        metadata.check_category_ids()?;
        Ok(metadata)
    }

    /// Checks that there is one category id for each label.
    fn check_category_ids(&self) -> Result<(), String> {
        match (&self.category_ids, &self.labels) {
            (Some(ids), Some(labels)) if ids.len() != labels.len() => Err(format!(
                "the `{CATEGORY_IDS}` in its header: expected {} ids, one for each label, found {}",
                labels.len(),
                ids.len()
            )),
            _ => Ok(()),
        }
    }
}

fn put(
    header: &mut BTreeMap<&'static str, String>,
    key: &'static str,
    value: Option<&impl Serialize>,
) -> Result<(), serde_json::Error> {
    if let Some(value) = value {
        header.insert(key, serde_json::to_string(value)?);
    }
    Ok(())
}

fn get<T: DeserializeOwned>(
    header: &HashMap<String, String>,
    key: &str,
) -> Result<Option<T>, String> {
    let value = header.get(key).map(|text| serde_json::from_str(text));
    value
        .transpose()
        .map_err(|error| format!("the `{key}` in its header: {error}"))
}
