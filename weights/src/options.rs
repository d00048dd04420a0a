//! Options of a network as text, for options that the keys of a file do not show.

mod dense;

use resnet_core::{NormKind, ResNetConfig};
use resnet_dense::DenseConfig;
use serde_json::{Map, Value};

/// The options of [`ResNetConfig`] and the textual forms of their values.
const OPTIONS: [(&str, &str); 19] = [
    ("stages", "a JSON array, or `stages.0.depth` and the like"),
    ("expansion", "a whole number"),
    ("cardinality", "a whole number"),
    ("base_width", "a whole number"),
    (
        "stem",
        "`conv7x7:CHANNELS`, `conv3x3:CHANNELS`, `deep:WIDTH` or `tiered:WIDTH`",
    ),
    ("stem_pool", "`max`, `conv` or `none`"),
    (
        "shortcut",
        "`projection`, `avg_pool_projection` or `zero_pad`",
    ),
    ("stride_placement", "`conv3x3` or `conv1x1`"),
    (
        "attention",
        "`none`, `squeeze_excite:RATIO` or `efficient_channel`",
    ),
    (
        "norm",
        "`batch`, `group:GROUPS`, `instance` or `batch_stats`",
    ),
    ("norm_eps", "a number in (0, 1]"),
    ("activation", "`relu` or `silu`"),
    ("anti_alias", "`none`, `blur` or `avg_pool`"),
    ("zero_init_last", "`true` or `false`"),
    ("drop_path", "a probability in [0, 1)"),
    ("dropout", "a probability in [0, 1)"),
    ("output_stride", "8, 16 or 32"),
    ("in_channels", "a whole number"),
    ("num_classes", "a whole number; 0 for no classifier"),
];
const GLOBAL_POOL: (&str, &str) = (
    "global_pool",
    "`avg`, `max`, `avg_max`, `cat_avg_max` or `cat_max_avg`",
);

/// The possible names of the field in a value such as `group:GROUPS`.
const FIELDS: [&str; 4] = ["channels", "width", "groups", "ratio"];

/// Changes of single options of a network.
///
/// ```
/// use resnet_core::{Arch, NormKind, StridePlacement};
/// use resnet_weights::Overrides;
///
/// let overrides = Overrides::default()
///     .set("stride_placement=conv1x1")?
///     .set("norm=group:16")?;
/// let config = overrides.apply(Arch::ResNet50.config())?;
/// assert_eq!(config.stride_placement, StridePlacement::Conv1x1);
/// assert_eq!(config.norm, NormKind::Group { groups: 16 });
/// # Ok::<(), resnet_weights::OptionError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(Vec<(String, String)>);

/// The error for an option that cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// The text is not of the form `OPTION=VALUE`.
    #[error("expected OPTION=VALUE, found `{found}`")]
    Form {
        /// The text.
        found: String,
    },
    /// No option has this name.
    #[error("`{name}`: expected an option of the network, one of {options}")]
    Unknown {
        /// The name.
        name: String,
        /// All option names.
        options: String,
    },
    /// The option does not allow this value.
    #[error("`{name}`: expected {expected}, found `{found}`")]
    Value {
        /// The option.
        name: String,
        /// The allowed forms of the value.
        expected: &'static str,
        /// The text.
        found: String,
    },
}

fn options() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPTIONS.into_iter().chain([GLOBAL_POOL])
}

impl Overrides {
    /// Adds a change of the form `OPTION=VALUE`. The option has the same name as in saved configs.
    /// The value is JSON, a plain name, or `name:number`. A later change of the same option wins.
    ///
    /// # Errors
    ///
    /// Returns an error if the text has another form, or no option has this name.
    pub fn set(mut self, change: &str) -> Result<Self, OptionError> {
        let Some((name, value)) = change.split_once('=') else {
            return Err(OptionError::Form {
                found: change.to_string(),
            });
        };
        let (name, value) = (name.trim(), value.trim());
        if !dense::has(name) {
            expected(name)?;
        }
        self.0.push((name.to_string(), value.to_string()));
        Ok(self)
    }

    /// Adds the changes of `others`, which take precedence.
    pub fn and(mut self, others: &Self) -> Self {
        self.0.extend(others.0.iter().cloned());
        self
    }

    /// Returns whether an option is set.
    pub fn has(&self, option: &str) -> bool {
        self.0.iter().any(|(name, _)| first_part(name) == option)
    }

    /// Returns whether the number of classes is set to 0.
    pub fn is_headless(&self) -> bool {
        let classes = self.0.iter().rfind(|(name, _)| name == "num_classes");
        classes.is_some_and(|(_, value)| value == "0")
    }

    /// Returns whether an option is set that only detectors and segmentation networks have.
    pub fn has_dense_only(&self) -> bool {
        self.0.iter().any(|(name, _)| expected(name).is_err())
    }

    /// Returns whether no option is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the config with the changes. It may be invalid; see [`ResNetConfig::validate`].
    ///
    /// # Errors
    ///
    /// Returns an error if an option does not allow its value.
    pub fn apply(&self, config: ResNetConfig) -> Result<ResNetConfig, OptionError> {
        self.0
            .iter()
            .try_fold(config, |config, (name, value)| change(config, name, value))
    }

    /// Returns the config of a detector or segmentation network with the changes. An option is a
    /// name of torchvision's constructors, such as `box_score_thresh`, or a path such as
    /// `backbone.fpn.channels`.
    ///
    /// # Errors
    ///
    /// Returns an error if the config has no such option, or the option does not allow its value.
    pub fn apply_dense(&self, config: DenseConfig) -> Result<DenseConfig, OptionError> {
        self.0.iter().try_fold(config, |config, (name, value)| {
            dense::change(config, name, value)
        })
    }

    /// Returns the normalization kind that is set. Some configs cannot be inferred without it.
    pub(crate) fn norm(&self) -> Result<Option<NormKind>, OptionError> {
        let norms = self.0.iter().filter(|(name, _)| first_part(name) == "norm");
        let mut config = ResNetConfig::new(Vec::new());
        let mut found = None;
        for (name, value) in norms {
            config = change(config, name, value)?;
            found = Some(config.norm);
        }
        Ok(found)
    }
}

fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

fn expected(name: &str) -> Result<&'static str, OptionError> {
    let found = options().find(|(option, _)| *option == first_part(name));
    found
        .map(|(_, expected)| expected)
        .ok_or_else(|| OptionError::Unknown {
            name: name.to_string(),
            options: options()
                .map(|(option, _)| option)
                .collect::<Vec<_>>()
                .join(", "),
        })
}

fn change(config: ResNetConfig, name: &str, text: &str) -> Result<ResNetConfig, OptionError> {
    let expected = expected(name)?;
    let refused = || OptionError::Value {
        name: name.to_string(),
        expected,
        found: text.to_string(),
    };
    let whole = serde_json::to_value(&config).map_err(|_| refused())?;
    let mut readings = readings(text).into_iter();
    readings
        .find_map(|value| {
            let mut changed = whole.clone();
            *place(&mut changed, name)? = value;
            config_from_json(changed).ok()
        })
        .ok_or_else(refused)
}

/// Returns the value of an option, or of a part of an option such as `stages.0.depth`.
fn place<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(value, |value, part| match value {
        Value::Object(map) => map.get_mut(part),
        Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Returns the possible meanings of a text, in order of preference.
fn readings(text: &str) -> Vec<Value> {
    let mut readings: Vec<Value> = serde_json::from_str(text).into_iter().collect();
    let name = |text: &str| text.to_lowercase().replace('-', "_");
    readings.push(Value::String(name(text)));
    if let Some((variant, number)) = text.split_once(':')
        && let Ok(number) = serde_json::from_str::<serde_json::Number>(number.trim())
    {
        readings.extend(FIELDS.iter().map(|field| {
            let fields = Map::from_iter([(field.to_string(), Value::Number(number.clone()))]);
            Value::Object(Map::from_iter([(
                name(variant.trim()),
                Value::Object(fields),
            )]))
        }));
    }
    readings
}

/// Reads a config as JSON. Missing options have their defaults. Unknown options are an error,
/// because they would change the network.
pub(crate) fn config_from_json(value: Value) -> Result<ResNetConfig, String> {
    if value.get("stages").is_none() {
        return Err("missing option `stages`".into());
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
