//! What goes with a state dict and does not show in it, as strings in the metadata of a file.

use std::collections::{BTreeMap, HashMap};

use resnet_core::ResNetConfig;
use resnet_image::Recipe;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Labels;

/// The keys of the metadata; each value is JSON.
const CONFIG: &str = "resnet_config";
const LABELS: &str = "resnet_labels";
const RECIPE: &str = "resnet_recipe";

/// The network, the names of its classes and how it wants its images, as far as a file tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) config: Option<ResNetConfig>,
    pub(crate) labels: Option<Labels>,
    pub(crate) recipe: Option<Recipe>,
}

impl About {
    pub(crate) fn to_metadata(&self) -> Result<BTreeMap<&'static str, String>, serde_json::Error> {
        let mut metadata = BTreeMap::new();
        put(&mut metadata, CONFIG, self.config.as_ref())?;
        put(&mut metadata, LABELS, self.labels.as_ref())?;
        put(&mut metadata, RECIPE, self.recipe.as_ref())?;
        Ok(metadata)
    }

    /// What the metadata tells, or what is wrong with it.
    pub(crate) fn from_metadata(metadata: &HashMap<String, String>) -> Result<Self, String> {
        let about = Self {
            config: get(metadata, CONFIG)?,
            labels: get(metadata, LABELS)?,
            recipe: get(metadata, RECIPE)?,
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
