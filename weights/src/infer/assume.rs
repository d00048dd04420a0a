//! Default assumptions for options that keys and shapes do not show.

use resnet_core::{
    AntiAlias, Arch, BlockKind, GlobalPool, NormKind, ResNetConfig, ShortcutKind, StemKind,
    StemPool,
};

use super::Shapes;
use crate::Checkpoint;

/// An assumed value of an option that the keys of the file do not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// The name of the option in [`Overrides`](crate::Overrides).
    pub option: &'static str,
    /// The assumed value.
    pub assumed: String,
    /// How to set another value.
    pub otherwise: String,
    /// Whether networks with the same keys and another value are common, so that users should know.
    pub matters: bool,
}

/// How users set the kind of normalization.
const NORMS: &str = "say which norm it has: `Overrides` with `norm=group:N`, where N divides the channels of every norm, \
     `Overrides` with `norm=instance`, or `Overrides` with `norm=batch_stats` (batch norm with `track_running_stats=False`)";

const GROUPS: usize = 32;

/// Infers the kind of normalization from its tensors. Running statistics indicate BatchNorm.
/// Without them, GroupNorm with 32 groups is assumed if the channels allow it.
///
/// # Errors
///
/// Returns the undetermined property and advice for the user.
pub(super) fn norm(
    shapes: &Shapes<'_>,
    config: &ResNetConfig,
) -> Result<NormKind, (String, &'static str)> {
    let ends = |end: &str| shapes.0.keys().filter(|key| key.ends_with(end)).count();
    let statistics = ends("running_mean");
    let weights = shapes.0.keys().filter(|key| is_norm_weight(key)).count();
    if shapes
        .0
        .keys()
        .any(|key| key.ends_with("conv1.bias") || key.ends_with("conv2.bias"))
    {
        return Err((
            "its convolutions have biases, as after batch norms are folded into them".into(),
            "give the file of the network before that",
        ));
    }
    if statistics > 0 && statistics < weights {
        return Err((
            format!(
                "{statistics} of its {weights} norms have running statistics, expected all or none"
            ),
            "networks with several kinds of norms are not supported",
        ));
    }
    if statistics > 0 {
        return Ok(NormKind::Batch);
    }
    if weights == 0 {
        let cause = "its norms have no parameters, so the keys do not show their kind";
        return Err((cause.into(), NORMS));
    }
    let group = NormKind::Group { groups: GROUPS };
    match config.clone().with_norm(group).validate() {
        Err(error) if error.field == "norm.groups" => Err((
            format!(
                "its norms have no running statistics, and {GROUPS} groups, the usual number, do not divide their \
                 channels"
            ),
            NORMS,
        )),
        _ => Ok(group),
    }
}

/// Returns whether the key is the weight of a normalization layer: `bn1.weight`,
/// `layer1.0.bn2.weight`. Shortcut layers do not count.
fn is_norm_weight(key: &str) -> bool {
    let mut parts = key.rsplit('.');
    let is_weight = parts.next() == Some("weight");
    is_weight && parts.next().is_some_and(|part| part.starts_with("bn"))
}

/// Lists the assumptions about a network that was inferred from its keys.
pub(super) fn all(
    checkpoint: &Checkpoint,
    config: &ResNetConfig,
    name: Option<&str>,
    alternatives: &[Arch],
) -> Vec<Assumption> {
    let assume = |option, assumed: &str, otherwise: &str, matters| Assumption {
        option,
        assumed: assumed.into(),
        otherwise: otherwise.into(),
        matters,
    };
    let mut all = Vec::new();
    if config.norm != NormKind::Batch {
        let assumed = format!("group:{GROUPS}");
        let otherwise = "`Overrides` with `norm=group:N`, `Overrides` with `norm=instance` or `Overrides` with `norm=batch_stats`";
        all.push(assume("norm", &assumed, otherwise, true));
    }
    let strided = config.stages.len() > 1;
    let bottleneck = |kind| matches!(kind, BlockKind::Bottleneck | BlockKind::PreActBottleneck);
    if strided && config.stages.iter().any(|stage| bottleneck(stage.block)) {
        let otherwise =
            "`Overrides` with `stride_placement=conv1x1` (v1, as in Caffe and detection code)";
        all.push(assume("stride_placement", "conv3x3", otherwise, true));
    }
    let stem = match config.stem {
        StemKind::Conv3x3 { .. } => "a convolution of stride 1",
        _ => "a convolution of stride 2",
    };
    all.push(assume(
        "stem",
        stem,
        "other strides are not supported",
        false,
    ));
    match (config.stem, config.stem_pool) {
        _ if checkpoint.stem_pool().is_some() => {}
        (StemKind::Conv3x3 { .. }, StemPool::None) => {
            let cifar = name.is_some_and(|name| name.starts_with("cifar_"));
            all.push(assume(
                "stem_pool",
                "none",
                "`Overrides` with `stem_pool=max`",
                !cifar,
            ));
        }
        (_, StemPool::Max) => all.push(assume(
            "stem_pool",
            "max",
            "`Overrides` with `stem_pool=none`",
            false,
        )),
        _ => {}
    }
    if config.shortcut == ShortcutKind::ZeroPad {
        let assumed = "zero_pad (every second pixel; half of the zero channels before, half after the others)";
        let otherwise = "other ways to pad are not supported";
        all.push(assume("shortcut", assumed, otherwise, false));
    }
    let blur = config.anti_alias == AntiAlias::None && !config.is_pre_activation();
    if blur && config.stem_pool != StemPool::Conv && config.shortcut != ShortcutKind::ZeroPad {
        let with = |arch: &Arch| format!("`ModelSource::with_arch` with `{}`", arch.name());
        let archs: Vec<String> = alternatives.iter().map(with).collect();
        let otherwise = match archs.is_empty() {
            true => "`Overrides` with `anti_alias=blur` or `avg_pool`".to_string(),
            false => archs.join(" or "),
        };
        all.push(assume("anti_alias", "none", &otherwise, !archs.is_empty()));
    }
    let dilated = checkpoint.left_out().iter().any(|key| is_segmentation(key));
    let otherwise = "`Overrides` with `output_stride=8` or `16`";
    all.push(assume("output_stride", "32", otherwise, dilated));
    all.push(assume(
        "norm_eps",
        "1e-5",
        "`Overrides` with `norm_eps=1e-3`",
        false,
    ));
    all.push(assume(
        "activation",
        "relu",
        "`Overrides` with `activation=silu`",
        false,
    ));
    if config.num_classes > 0 {
        let pool = serde_json::to_value(config.global_pool);
        let pool = pool.ok().and_then(|pool| pool.as_str().map(String::from));
        let (otherwise, matters) = match config.global_pool {
            GlobalPool::CatAvgMax => (
                "`Overrides` with `global_pool=cat_max_avg`, as in fastai",
                true,
            ),
            _ => ("`Overrides` with `global_pool=max` or `avg_max`", false),
        };
        let pool = pool.unwrap_or_default();
        all.push(assume("global_pool", &pool, otherwise, matters));
    }
    all
}

/// Returns whether the key belongs to a segmentation head; backbones of segmentation networks are
/// usually dilated.
fn is_segmentation(key: &str) -> bool {
    let heads = ["aux_classifier", "decode_head", "auxiliary_head"];
    key.split('.').any(|part| heads.contains(&part))
}

/// Returns a one-line note on the assumptions that users should know, if there are any.
pub(super) fn note(name: &str, assumptions: &[Assumption]) -> Option<String> {
    let shown: Vec<String> = assumptions
        .iter()
        .filter(|assumption| assumption.matters)
        .map(|a| format!("{}={} (else {})", a.option, a.assumed, a.otherwise))
        .collect();
    (!shown.is_empty()).then(|| {
        format!(
            "{name}: assumes {}, which the keys do not show",
            shown.join(", ")
        )
    })
}
