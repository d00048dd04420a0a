//! COCO's JSON files. A malformed annotation does not affect the others.

use hotcoco::types::{Annotation, Category, Image};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// The content of a file. Other keys are ignored.
#[derive(Deserialize)]
pub(super) struct CocoFile {
    #[serde(default)]
    pub(super) images: Vec<Image>,
    #[serde(default)]
    pub(super) annotations: Vec<FileAnnotation>,
    #[serde(default)]
    pub(super) categories: Vec<Category>,
}

/// An element of `annotations`.
pub(super) enum FileAnnotation {
    /// An annotation in COCO's form.
    Valid {
        annotation: Annotation,
        /// Whether the file states its id.
        has_id: bool,
    },
    /// An annotation in another form.
    Malformed {
        /// Its id.
        id: Option<String>,
        /// The id of its image.
        image: Option<String>,
        /// The problem.
        reason: String,
    },
}

impl<'de> Deserialize<'de> for FileAnnotation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A parser cannot continue after an error, so it reads a `Value`, which may have any form.
        let value = Value::deserialize(deserializer)?;
        Ok(match Annotation::deserialize(&value) {
            Ok(annotation) => Self::Valid {
                annotation,
                has_id: value.get("id").is_some(),
            },
            Err(error) => Self::Malformed {
                id: id(&value, "id"),
                image: id(&value, "image_id"),
                reason: wrong_key(&value).unwrap_or_else(|| error.to_string()),
            },
        })
    }
}

/// Returns an id if it is a number or a string.
fn id(annotation: &Value, key: &str) -> Option<String> {
    let id = annotation.get(key)?;
    (id.is_number() || id.is_string()).then(|| id.to_string())
}

/// Returns a key whose value has another form than COCO's, and the problem. Errors of a whole
/// annotation do not name the key.
fn wrong_key(annotation: &Value) -> Option<String> {
    annotation.as_object()?.iter().find_map(|(key, value)| {
        let mut alone = json!({"image_id": 0, "category_id": 0});
        alone[key.as_str()] = value.clone();
        let error = Annotation::deserialize(&alone).err()?;
        Some(format!("`{key}`: {error}"))
    })
}

/// Returns the words for an annotation in messages: its id, else its place in the list from 0, and
/// the id of its image.
pub(super) fn name(place: usize, id: Option<String>, image: Option<String>) -> String {
    let annotation = match id {
        Some(id) => format!("annotation {id}"),
        None => format!("annotations[{place}]"),
    };
    match image {
        Some(image) => format!("{annotation} of image {image}"),
        None => annotation,
    }
}
