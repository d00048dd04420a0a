//! Infers options from the shapes of a state dict.

use std::collections::BTreeMap;

use resnet_core::{
    AttentionKind, BlockKind, GlobalPool, ResNetConfig, ShortcutKind, StageConfig, StemKind,
    StemPool,
};

/// The shapes of a state dict, by key.
pub(super) struct Shapes<'a>(pub(super) BTreeMap<&'a str, &'a [usize]>);

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

    /// Returns the shape of a convolution's weight: output channels, input channels / groups,
    /// height, width.
    fn conv(&self, key: &str) -> Result<[usize; 4], String> {
        let shape = self.get(key)?;
        let conv: Result<[usize; 4], _> = shape.try_into();
        conv.ok()
            .filter(|conv| !conv.contains(&0))
            .ok_or_else(|| format!("`{key}`: expected four extents, found {shape:?}"))
    }

    /// Returns the length of a vector.
    fn len(&self, key: &str) -> Result<usize, String> {
        match self.get(key)? {
            [len] => Ok(*len),
            shape => Err(format!("`{key}`: expected one extent, found {shape:?}")),
        }
    }

    pub(super) fn config(&self) -> Result<ResNetConfig, String> {
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

    /// Returns the config of a stage, or `None` if the file has no such stage.
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

    /// Returns the width of a stage before cardinality and base width: a quarter of the
    /// bottleneck's output channels.
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
        // The last block is the widest, so its reduction ratio is least affected by rounding.
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
