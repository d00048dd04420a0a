//! What goes with a state dict and does not show in it, as strings in the metadata of a file.

use std::collections::{BTreeMap, HashMap};

use resnet_core::ResNetConfig;
use resnet_image::Recipe;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::options::config_from_json;
use crate::{Labels, OutputActivation, Overrides};

/// The keys of the metadata; each value is JSON.
const CONFIG: &str = "resnet_config";
const LABELS: &str = "resnet_labels";
const RECIPE: &str = "resnet_recipe";
const ACTIVATION: &str = "resnet_output_activation";

/// The network, the names of its classes and how it wants its images, as far as a file tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) config: Option<ResNetConfig>,
    pub(crate) labels: Option<Labels>,
    pub(crate) recipe: Option<Recipe>,
    pub(crate) activation: Option<OutputActivation>,
    /// Options of a network that is otherwise told from keys and shapes.
    pub(crate) options: Overrides,
    /// What users should know of where all this comes from.
    pub(crate) notes: Vec<String>,
}

impl About {
    pub(crate) fn to_metadata(&self) -> Result<BTreeMap<&'static str, String>, serde_json::Error> {
        let mut metadata = BTreeMap::new();
        put(&mut metadata, CONFIG, self.config.as_ref())?;
        put(&mut metadata, LABELS, self.labels.as_ref())?;
        put(&mut metadata, RECIPE, self.recipe.as_ref())?;
        put(&mut metadata, ACTIVATION, self.activation.as_ref())?;
        Ok(metadata)
    }

    /// What the metadata tells, or what is wrong with it.
    pub(crate) fn from_metadata(metadata: &HashMap<String, String>) -> Result<Self, String> {
        let config: Option<serde_json::Value> = get(metadata, CONFIG)?;
        let config = config.map(config_from_json).transpose();
        let about = Self {
            config: config.map_err(|cause| format!("the `{CONFIG}` in its header: {cause}"))?,
            labels: get(metadata, LABELS)?,
            recipe: get(metadata, RECIPE)?,
            activation: get(metadata, ACTIVATION)?,
            ..Self::default()
        };
        let wrong = |key: &str, cause: String| format!("the `{key}` in its header: {cause}");
        if let Some(config) = &about.config {
            let valid = config.validate();
            valid.map_err(|error| wrong(CONFIG, error.to_string()))?;
        }
        if let Some(recipe) = &about.recipe {
            let valid = recipe.validate();
            valid.map_err(|error| wrong(RECIPE, error.to_string()))?;
        }
        Ok(about)
    }
}

fn put(
    metadata: &mut BTreeMap<&'static str, String>,
    key: &'static str,
    value: Option<&impl Serialize>,
) -> Result<(), serde_json::Error> {
    if let Some(value) = value {
        metadata.insert(key, serde_json::to_string(value)?);
    }
    Ok(())
}

fn get<T: DeserializeOwned>(
    metadata: &HashMap<String, String>,
    key: &str,
) -> Result<Option<T>, String> {
    let value = metadata.get(key).map(|text| serde_json::from_str(text));
    value
        .transpose()
        .map_err(|error| format!("the `{key}` in its header: {error}"))
}
