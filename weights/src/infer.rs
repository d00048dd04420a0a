//! From keys and shapes to the network that has them.

use std::collections::BTreeMap;

use resnet_core::{
    AntiAlias, Arch, AttentionKind, BlockKind, ConfigError, GlobalPool, ResNetConfig, ShortcutKind,
    StageConfig, StemKind, StemPool,
};

use crate::layout::Head;
use crate::{Checkpoint, OptionError, Overrides};

mod assume;

pub use assume::Assumption;

/// The network that a checkpoint is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Inferred {
    /// Its options, with the classes and input channels of the file.
    pub config: ResNetConfig,
    /// Its name, if it has one: `resnet50`, `cifar_resnet8_b`.
    pub name: Option<String>,
    /// Other named networks with the same keys and shapes, which only their author can tell apart:
    /// those that differ by anti-aliasing.
    pub alternatives: Vec<Arch>,
    /// What the keys do not tell and is assumed.
    pub assumptions: Vec<Assumption>,
}

/// Why no network can be told from a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// The keys are those of no network.
    #[error("`{file}`: not a residual network of this zoo: {cause}; name the architecture")]
    Unknown {
        /// The file.
        file: String,
        /// What a residual network would have.
        cause: String,
    },
    /// The file holds several networks.
    #[error("`{file}`: holds the networks {states}; choose one with --state")]
    Several {
        /// The file.
        file: String,
        /// The paths of their state dicts.
        states: String,
    },
    /// The keys have several readings with different numbers, and none is customary.
    #[error("`{file}`: {cause}; {advice}")]
    Ambiguous {
        /// The file.
        file: String,
        /// What is open.
        cause: String,
        /// The flags that settle it.
        advice: String,
    },
    /// An option cannot be set.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The options that are set make no network.
    #[error("`{file}`: {cause}")]
    Config {
        /// The file.
        file: String,
        /// What is wrong.
        cause: ConfigError,
    },
}

impl Inferred {
    /// Says in one line which of the assumptions users should check, if any. `file` stands for a
    /// network without a name.
    pub fn note(&self, file: &str) -> Option<String> {
        assume::note(self.name.as_deref().unwrap_or(file), &self.assumptions)
    }
}

impl Checkpoint {
    /// Tells the network from the keys and shapes of the file.
    ///
    /// An ONNX graph shows all of it, and a file of [`Save`](crate::Save) holds its config. The keys of other files do
    /// not show everything: [`Inferred::assumptions`] lists what is assumed.
    ///
    /// # Errors
    ///
    /// If the keys are not those of a residual network, or have several readings.
    ///
    /// ```
    /// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/embedded/cifar_resnet20.resnet_zoo_c10.safetensors");
    /// let inferred = resnet_weights::Checkpoint::open(file)?.infer()?;
    /// assert_eq!(inferred.name.as_deref(), Some("cifar_resnet20"));
    /// assert_eq!(inferred.config.num_classes, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn infer(&self) -> Result<Inferred, InferError> {
        self.infer_with(&Overrides::default())
    }

    /// Tells the network as [`infer`](Self::infer) does, with the options that the user knows.
    ///
    /// # Errors
    ///
    /// As [`infer`](Self::infer), and if an option has no such value.
    pub fn infer_with(&self, overrides: &Overrides) -> Result<Inferred, InferError> {
        let file = || self.name().to_string();
        if self.is_ambiguous() {
            let states: Vec<String> = self.states().map(|state| format!("`{state}`")).collect();
            return Err(InferError::Several {
                file: file(),
                states: states.join(", "),
            });
        }
        let overrides = self.metadata().options.clone().and(overrides);
        let mut inferred = match self.config() {
            Some(config) => self.described(config.clone())?,
            None => self.told_from_keys(&overrides)?,
        };
        inferred.config = overrides.apply(inferred.config)?;
        if !overrides.is_empty() {
            let validated = inferred.config.validate();
            validated.map_err(|cause| InferError::Config {
                file: file(),
                cause,
            })?;
            let named = with_its_name(&inferred.config);
            inferred.name = named.name;
            let open = |arch: &Arch| {
                !overrides.has("anti_alias") && Some(arch.name()) != inferred.name.as_deref()
            };
            inferred.alternatives.retain(open);
            let settled = |assumption: &Assumption| overrides.has(assumption.option);
            inferred
                .assumptions
                .retain(|assumption| !settled(assumption));
        }
        Ok(inferred)
    }

    /// The head of several layers that the file has in place of a classifier: the name of its part.
    pub fn layered_head(&self) -> Option<&str> {
        match self.head() {
            Head::Layers { name } => Some(name),
            Head::None | Head::Linear => None,
        }
    }

    fn told_from_keys(&self, overrides: &Overrides) -> Result<Inferred, InferError> {
        let shapes = Shapes(
            self.by_key()
                .map(|(key, entry)| (key, entry.shape()))
                .collect(),
        );
        let unknown = |cause| InferError::Unknown {
            file: self.name().to_string(),
            cause,
        };
        let mut config = shapes.config().map_err(unknown)?;
        if config.stem_pool == StemPool::Max && self.stem_pool() == Some(false) {
            config.stem_pool = StemPool::None;
        }
        let norm = match overrides.norm()? {
            Some(norm) => norm,
            None => {
                assume::norm(&shapes, &config).map_err(|(cause, advice)| InferError::Ambiguous {
                    file: self.name().to_string(),
                    cause,
                    advice: advice.to_string(),
                })?
            }
        };
        let config = config.with_norm(norm);
        let valid = config.validate();
        valid.map_err(|cause| unknown(cause.to_string()))?;
        let (name, alternatives) = names(&config);
        let assumptions = assume::all(self, &config, name.as_deref(), &alternatives);
        Ok(Inferred {
            config,
            name,
            alternatives,
            assumptions,
        })
    }

    /// The network that a file describes itself, which leaves nothing to guess. Its head and its input may have been
    /// replaced since.
    fn described(&self, config: ResNetConfig) -> Result<Inferred, InferError> {
        let shapes: BTreeMap<&str, &[usize]> = self
            .by_key()
            .map(|(key, entry)| (key, entry.shape()))
            .collect();
        let extent = |key, axis: usize| shapes.get(key).and_then(|shape| shape.get(axis).copied());
        let in_channels = extent("conv1.weight", 1).or_else(|| extent("conv1.0.weight", 1));
        let in_channels = in_channels.unwrap_or(config.in_channels);
        let config = config
            .with_num_classes(extent("fc.weight", 0).unwrap_or(0))
            .with_in_channels(in_channels);
        match config.validate() {
            Ok(()) => Ok(with_its_name(&config)),
            Err(cause) => Err(InferError::Unknown {
                file: self.name().to_string(),
                cause: cause.to_string(),
            }),
        }
    }
}

/// The config with its name, if it has one.
fn with_its_name(config: &ResNetConfig) -> Inferred {
    let shown = |config: ResNetConfig| config.with_num_classes(0).with_in_channels(3);
    let same = |arch: &Arch| shown(arch.config()) == shown(config.clone());
    let (name, _) = names(config);
    let arch = Arch::ALL.iter().copied().find(same);
    Inferred {
        config: config.clone(),
        // A name that leaves out the anti-aliasing is that of another network.
        name: arch.map_or_else(
            || {
                name.filter(|name| {
                    name.starts_with("cifar_") && config.anti_alias == AntiAlias::None
                })
            },
            |arch| Some(arch.to_string()),
        ),
        alternatives: Vec::new(),
        assumptions: Vec::new(),
    }
}

/// Shapes by key.
struct Shapes<'a>(BTreeMap<&'a str, &'a [usize]>);

impl Shapes<'_> {
    fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    fn get(&self, key: &str) -> Result<&[usize], String> {
        self.0
            .get(key)
            .copied()
            .ok_or_else(|| format!("no `{key}`"))
    }

    /// The shape of a convolution: out, in / groups, height, width.
    fn conv(&self, key: &str) -> Result<[usize; 4], String> {
        let shape = self.get(key)?;
        let conv: Result<[usize; 4], _> = shape.try_into();
        conv.ok()
            .filter(|conv| !conv.contains(&0))
            .ok_or_else(|| format!("`{key}`: expected four extents, found {shape:?}"))
    }

    /// The length of a vector.
    fn len(&self, key: &str) -> Result<usize, String> {
        match self.get(key)? {
            [len] => Ok(*len),
            shape => Err(format!("`{key}`: expected one extent, found {shape:?}")),
        }
    }

    fn config(&self) -> Result<ResNetConfig, String> {
        let (stem, in_channels) = self.stem()?;
        let stages = (1..=4)
            .map_while(|stage| self.stage(stage).transpose())
            .collect::<Result<_, _>>()?;
        let mut config = ResNetConfig::new(stages)
            .with_stem(stem)
            .with_in_channels(in_channels);
        let Some(first) = config.stages.first() else {
            return Err("no `layer1.0.conv1.weight`".into());
        };
        if first.block.is_bottleneck() {
            let [out, width, ..] = self.conv("layer1.0.conv3.weight")?;
            config.expansion = (out / self.planes(1)?).max(1);
            if first.block == BlockKind::Bottleneck {
                let [_, group_width, ..] = self.conv("layer1.0.conv2.weight")?;
                config.cardinality = (width / group_width).max(1);
                config.base_width = group_width.saturating_mul(64) / first.width.max(1);
            }
        }
        if let StemKind::Conv3x3 { .. } = stem {
            config.stem_pool = StemPool::None;
        } else if self.has("maxpool.0.weight") {
            config.stem_pool = StemPool::Conv;
        }
        config.shortcut = self.shortcut();
        config.attention = self.attention()?;
        config.num_classes = 0;
        if self.has("fc.weight") {
            let shape = self.get("fc.weight")?;
            let &[classes, inputs] = shape else {
                return Err(format!(
                    "`fc.weight`: expected two extents, found {shape:?}"
                ));
            };
            if inputs == config.num_features().saturating_mul(2) {
                config.global_pool = GlobalPool::CatAvgMax;
            }
            config.num_classes = classes;
        }
        Ok(config)
    }

    fn stem(&self) -> Result<(StemKind, usize), String> {
        if self.has("conv1.0.weight") {
            let [first, in_channels, ..] = self.conv("conv1.0.weight")?;
            let [width, ..] = self.conv("conv1.3.weight")?;
            let stem = if first == width {
                StemKind::Deep { width }
            } else {
                StemKind::Tiered { width }
            };
            return Ok((stem, in_channels));
        }
        match self.conv("conv1.weight")? {
            [channels, in_channels, 7, 7] => Ok((StemKind::Conv7x7 { channels }, in_channels)),
            [channels, in_channels, 3, 3] => Ok((StemKind::Conv3x3 { channels }, in_channels)),
            shape => Err(format!(
                "`conv1.weight`: expected a 7x7 or 3x3 convolution, found {shape:?}"
            )),
        }
    }

    /// The stage, or none if the file has no such stage.
    fn stage(&self, stage: usize) -> Result<Option<StageConfig>, String> {
        let block = |i: usize, name: &str| format!("layer{stage}.{i}.{name}");
        let depth = (0..)
            .take_while(|i| self.has(&block(*i, "conv1.weight")))
            .count();
        if depth == 0 {
            return Ok(None);
        }
        let [out, input, ..] = self.conv(&block(0, "conv1.weight"))?;
        let pre_activation = match out == input {
            false => {
                let norm = block(0, "bn1.weight");
                self.has(&norm) && self.len(&norm)? == input
            }
            true => {
                self.has("layer1.0.downsample.weight") || self.has("layer2.0.downsample.weight")
            }
        };
        let bottleneck = self.has(&block(0, "conv3.weight"));
        let kind = match (pre_activation, bottleneck) {
            (false, false) => BlockKind::Basic,
            (false, true) => BlockKind::Bottleneck,
            (true, false) => BlockKind::PreActBasic,
            (true, true) => BlockKind::PreActBottleneck,
        };
        let width = if kind == BlockKind::Bottleneck {
            self.planes(stage)?
        } else {
            out
        };
        Ok(Some(StageConfig {
            block: kind,
            depth,
            width,
        }))
    }

    /// The width of a stage before cardinality and base width: a quarter of a bottleneck's output.
    fn planes(&self, stage: usize) -> Result<usize, String> {
        let [out, ..] = self.conv(&format!("layer{stage}.0.conv3.weight"))?;
        Ok((out / 4).max(1))
    }

    fn shortcut(&self) -> ShortcutKind {
        let any = |end: &str| self.0.keys().any(|key| key.ends_with(end));
        let pooled = self
            .0
            .iter()
            .any(|(key, shape)| key.ends_with("downsample.1.weight") && shape.len() == 4);
        match any("downsample.0.weight") || any("downsample.weight") {
            _ if pooled => ShortcutKind::AvgPoolProjection,
            true => ShortcutKind::Projection,
            false => ShortcutKind::ZeroPad,
        }
    }

    fn attention(&self) -> Result<AttentionKind, String> {
        if self.has("layer1.0.se.conv.weight") {
            return Ok(AttentionKind::EfficientChannel);
        }
        if !self.has("layer1.0.se.fc1.weight") {
            return Ok(AttentionKind::None);
        }
        // The last block is the widest, and least rounded.
        let last = self
            .0
            .iter()
            .rfind(|(key, _)| key.ends_with(".se.fc1.weight"))
            .map(|(key, _)| *key);
        let [squeezed, channels, ..] = self.conv(last.unwrap_or("layer1.0.se.fc1.weight"))?;
        Ok(AttentionKind::SqueezeExcite {
            ratio: squeezed as f64 / channels as f64,
        })
    }
}

/// The name of a network, and the other named networks that a checkpoint cannot tell from it.
fn names(config: &ResNetConfig) -> (Option<String>, Vec<Arch>) {
    let plain = |config: ResNetConfig| {
        config
            .with_num_classes(0)
            .with_in_channels(3)
            .with_anti_alias(AntiAlias::None)
    };
    let same = |arch: &&Arch| plain(arch.config()) == plain(config.clone());
    let mut archs = Arch::ALL.iter().copied().filter(|arch| same(&arch));
    match archs.next() {
        Some(arch) => (Some(arch.to_string()), archs.collect()),
        None => (
            cifar_name(config).filter(|name| named(name, config, plain)),
            Vec::new(),
        ),
    }
}

fn named(name: &str, config: &ResNetConfig, plain: impl Fn(ResNetConfig) -> ResNetConfig) -> bool {
    ResNetConfig::named(name).is_ok_and(|found| plain(found) == plain(config.clone()))
}

/// The name that a CIFAR network of these stages would have.
fn cifar_name(config: &ResNetConfig) -> Option<String> {
    let stage = config.stages.first()?;
    let n = stage.depth;
    Some(match stage.block {
        BlockKind::Basic if config.shortcut == ShortcutKind::ZeroPad => {
            format!("cifar_resnet{}", 6 * n + 2)
        }
        BlockKind::Basic => format!("cifar_resnet{}_b", 6 * n + 2),
        BlockKind::PreActBasic => format!("cifar_wide_resnet{}_{}", 6 * n + 4, stage.width / 16),
        BlockKind::PreActBottleneck => format!("cifar_preact_resnet{}", 9 * n + 2),
        BlockKind::Bottleneck => return None,
    })
}
