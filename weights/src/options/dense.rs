//! Options of detectors and segmentation networks as text.

use std::sync::LazyLock;

use resnet_dense::{DenseArch, DenseConfig};
use serde_json::Value;

use super::{OptionError, readings};

/// The names of all options, without the path to them.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut names = Vec::new();
    for arch in DenseArch::ALL {
        if let Ok(value) = serde_json::to_value(arch.config()) {
            collect(&value, &mut names);
        }
    }
    names.sort();
    names.dedup();
    names
});

fn collect(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                names.push(name.clone());
                collect(value, names);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
        _ => {}
    }
}

/// torchvision's names of options that have other names here.
fn own_name(name: &str) -> &str {
    match name {
        "num_keypoints" => "keypoints",
        name => name,
    }
}

/// Returns whether a detector or segmentation network has the option.
pub(super) fn has(name: &str) -> bool {
    let name = own_name(name);
    let last = name.rsplit('.').find(|part| part.parse::<usize>().is_err());
    last.is_some_and(|last| NAMES.iter().any(|name| name == last))
}

pub(super) fn change(
    config: DenseConfig,
    name: &str,
    text: &str,
) -> Result<DenseConfig, OptionError> {
    let refused = || OptionError::Value {
        name: name.to_string(),
        expected: "a value of the type that the option has in torchvision",
        found: text.to_string(),
    };
    let whole = serde_json::to_value(&config).map_err(|_| refused())?;
    let unknown = || OptionError::Unknown {
        name: name.to_string(),
        options: NAMES.join(", "),
    };
    let pointer = find(&whole, own_name(name)).ok_or_else(unknown)?;
    let old = whole.pointer(&pointer).ok_or_else(unknown)?;
    let mut readings = readings(text);
    // `min_size=800` and `fixed_size=640,480` are lists.
    if old.is_array() || old.is_null() {
        readings.extend(serde_json::from_str(&format!("[{text}]")));
    }
    let mut readings = readings.into_iter();
    readings
        .find_map(|value| {
            let mut changed = whole.clone();
            *changed.pointer_mut(&pointer)? = value;
            serde_json::from_value(changed).ok()
        })
        .ok_or_else(refused)
}

/// Returns the JSON pointer of an option: the first field, from the outside in, whose path ends with
/// the name.
fn find(value: &Value, name: &str) -> Option<String> {
    let path: Vec<&str> = name.split('.').collect();
    let mut level = vec![(String::new(), value)];
    while !level.is_empty() {
        let below = path
            .iter()
            .map(|part| format!("/{part}"))
            .collect::<String>();
        for (pointer, value) in &level {
            if value.is_object() && value.pointer(&below).is_some() {
                return Some(format!("{pointer}{below}"));
            }
        }
        level = level
            .into_iter()
            .filter_map(|(pointer, value)| Some((pointer, value.as_object()?)))
            .flat_map(|(pointer, fields)| {
                let fields = fields.iter();
                fields.map(move |(name, value)| (format!("{pointer}/{name}"), value))
            })
            .collect();
    }
    None
}
