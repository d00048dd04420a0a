//! From a checkpoint into a network: all of it, or an error that says all that is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use burn::tensor::{DType, TensorData, backend::Backend};
use resnet_core::{ResNet, ResNetConfig};

use crate::{Checkpoint, Entry, InferError, ReadError};

/// What may differ between a checkpoint and the network it is loaded into. By default nothing.
///
/// ```
/// use burn::backend::Flex;
/// use resnet_core::{Arch, ResNet, ResNetConfig};
/// use resnet_weights::{Checkpoint, Load};
///
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/checkpoints/good/zip.pth");
/// let checkpoint = Checkpoint::open(file)?;
/// let config = ResNetConfig::named("cifar_resnet8_b")?;
///
/// // Strict: every tensor has its place and every place its tensor.
/// let model: ResNet<Flex> = config.init(&Default::default());
/// let (model, report) = Load::default().apply(model, &checkpoint)?;
/// assert_eq!(report.loaded, 47);
///
/// // Three classes of one's own: the backbone is loaded, the classifier stays fresh.
/// let model: ResNet<Flex> = config.with_num_classes(3).init(&Default::default());
/// let (model, report) = Load::default().allow_other_classes().apply(model, &checkpoint)?;
/// assert_eq!(report.fresh, ["fc.weight", "fc.bias"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    other_classes: bool,
    other_in_channels: bool,
    other_options: bool,
}

/// How a checkpoint and a network fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Tensors that were loaded.
    pub loaded: usize,
    /// Keys of the network that keep their initial values, because [`Load`] allows it.
    pub fresh: Vec<String>,
    /// Keys that were loaded and then adapted to the network's input channels.
    pub adapted: Vec<String>,
    /// Keys of the network that the file lacks and whose values follow from that: the bias of a
    /// classifier without one is 0, norms without parameters have weight 1 and bias 0.
    pub filled: Vec<String>,
    /// Keys of the network's state dict that were left out: `num_batches_tracked`, and what
    /// [`Load`] allows.
    pub skipped: Vec<String>,
    /// Keys of the file outside the network's state dict: an optimizer, another network, a queue.
    pub left_out: Vec<String>,
    /// Keys of the network that the file lacks.
    pub missing: Vec<String>,
    /// Keys of the file that the network lacks.
    pub unexpected: Vec<String>,
    /// Keys whose tensors differ in shape or are no floats: expected, found.
    pub mismatched: Vec<Mismatch>,
    /// Keys whose tensors hold infinities, NaN, or variances below zero, which give NaN.
    pub non_finite: Vec<String>,
}

/// A tensor that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Its key.
    pub key: String,
    /// What the network has.
    pub expected: String,
    /// What the file has.
    pub found: String,
}

/// Why a checkpoint was not loaded. Nothing of it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file, or a tensor of it, cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file holds several networks.
    #[error(transparent)]
    Several(InferError),
    /// The file has a head of several layers where the network has a classifier of one.
    #[error(
        "`{file}`: expected one linear layer as the classifier, found more in `{head}`; load the network without its \
         classifier: `--set num_classes=0`, or `Load::allow_other_classes` for a network of 0 classes"
    )]
    LayeredHead {
        /// The file.
        file: String,
        /// The part with the head.
        head: String,
    },
    /// The file does not fit the network.
    #[error("`{file}`: does not fit the network: {report}{}", hint(.report))]
    Rejected {
        /// The file.
        file: String,
        /// All that is wrong with it.
        report: Box<Report>,
    },
}

impl Load {
    /// Lets the number of classes differ: the classifier keeps its initial values then.
    pub fn allow_other_classes(self) -> Self {
        Self {
            other_classes: true,
            ..self
        }
    }

    /// Lets the input channels differ: the first convolution is adapted then, see
    /// [`ResNet::with_in_channels`].
    pub fn allow_other_in_channels(self) -> Self {
        Self {
            other_in_channels: true,
            ..self
        }
    }

    /// Lets options differ that the file tells and that its keys and shapes do not show, such as
    /// the epsilon of the norms: those of the network count then.
    pub fn allow_other_options(self) -> Self {
        Self {
            other_options: true,
            ..self
        }
    }

    /// The network with the values of the checkpoint, cast to the float type of the backend.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or does not fit; the report lists every key that is wrong.
    pub fn apply<B: Backend>(
        self,
        model: ResNet<B>,
        checkpoint: &Checkpoint,
    ) -> Result<(ResNet<B>, Report), LoadError> {
        if checkpoint.is_ambiguous()
            && let Err(error) = checkpoint.infer()
        {
            return Err(LoadError::Several(error));
        }
        let entries: BTreeMap<String, &Entry> = checkpoint
            .by_key()
            .map(|(key, entry)| (key.to_string(), entry))
            .collect();
        if let Some(head) = checkpoint.layered_head()
            && !self.other_classes
            && entries.keys().any(|key| is_classifier(key))
        {
            return Err(LoadError::LayeredHead {
                file: checkpoint.name().to_string(),
                head: head.to_string(),
            });
        }
        let wanted = model.config().in_channels;
        let mut adapted = Vec::new();
        let mut model = model;
        if self.other_in_channels
            && let Some((key, in_channels)) = other_in_channels(&model, &entries)
        {
            // Read first: the file decides how much the adapted convolution takes.
            checkpoint.read(entries.get(&key).map_or(key.as_str(), |entry| entry.key()))?;
            model = model.with_in_channels(in_channels);
            adapted.push(key);
        }
        let mut report = self.compare(&model.state_shapes(), entries.clone());
        if let Some(found) = checkpoint.config() {
            report
                .mismatched
                .extend(self.differing_options(model.config(), found));
        }
        report.adapted = adapted;
        report.left_out = checkpoint.left_out().to_vec();
        let rejected = |report| LoadError::Rejected {
            file: checkpoint.name().to_string(),
            report: Box::new(report),
        };
        if !report.fits() {
            return Err(rejected(report));
        }
        let model = model.load_state(|key, shape| {
            if report.fresh.iter().any(|fresh| fresh == key) {
                return Ok::<_, ReadError>(None);
            }
            if report.filled.iter().any(|filled| filled == key) {
                let value = if key.ends_with("weight") {
                    1.0_f32
                } else {
                    0.0
                };
                let count = shape.iter().product();
                return Ok(Some(TensorData::new(vec![value; count], shape.to_vec())));
            }
            let data = checkpoint.read(entries.get(key).map_or(key, |entry| entry.key()))?;
            let negative = key.ends_with("running_var") && data.iter::<f32>().any(|var| var < 0.0);
            if negative || !is_finite(&data) {
                report.non_finite.push(key.to_string());
            }
            report.loaded += 1;
            Ok(Some(data))
        })?;
        match report.fits() {
            true => Ok((model.with_in_channels(wanted), report)),
            false => Err(rejected(report)),
        }
    }

    fn compare(
        self,
        expected: &[(String, Vec<usize>)],
        mut entries: BTreeMap<String, &Entry>,
    ) -> Report {
        let mut report = Report::default();
        let has = |key: &str| entries.contains_key(key);
        let bare_classifier = has("fc.weight") && !has("fc.bias");
        let norms = norm_parameters(expected);
        let bare_norms = !norms.iter().any(|key| has(key));
        for (key, shape) in expected {
            let Some(entry) = entries.remove(key.as_str()) else {
                let follows = bare_classifier && key == "fc.bias"
                    || bare_norms && norms.contains(key.as_str());
                match self.other_classes && is_classifier(key) {
                    _ if follows && !report.fresh.iter().any(|key| key == "fc.weight") => {
                        report.filled.push(key.clone());
                    }
                    true => report.fresh.push(key.clone()),
                    false => report.missing.push(key.clone()),
                }
                continue;
            };
            if !entry.dtype().is_float() {
                report
                    .mismatched
                    .push(mismatch(key, "floats", entry.dtype()));
            } else if entry.shape() != shape {
                match self.other_classes && is_classifier(key) {
                    true => {
                        report.fresh.push(key.clone());
                        report.skipped.push(key.clone());
                    }
                    false => {
                        report
                            .mismatched
                            .push(mismatch(key, Shape(shape), Shape(entry.shape())))
                    }
                }
            }
        }
        for key in entries.into_keys() {
            match self.is_surplus(&key, expected) {
                true => report.skipped.push(key),
                false => report.unexpected.push(key),
            }
        }
        report.skipped.sort();
        report
    }

    /// Whether a key of the file that the network lacks can be passed over: PyTorch counts the batches
    /// of every norm, which nothing reads; and a headless network has no use for a classifier.
    fn is_surplus(self, key: &str, expected: &[(String, Vec<usize>)]) -> bool {
        match key.strip_suffix("num_batches_tracked") {
            Some(norm) => expected
                .iter()
                .any(|(key, _)| key.strip_suffix("running_var") == Some(norm)),
            None => self.other_classes && is_classifier(key),
        }
    }

    /// The options that the values were trained for and that keys and shapes do not show, where the file has them
    /// otherwise. The output stride is not among them: any goes with the same values.
    fn differing_options(
        self,
        expected: &ResNetConfig,
        found: &ResNetConfig,
    ) -> impl Iterator<Item = Mismatch> {
        let option = |key, expected: &dyn fmt::Debug, found: &dyn fmt::Debug| {
            mismatch(key, format_args!("{expected:?}"), format_args!("{found:?}"))
        };
        let (a, b) = (expected, found);
        let options = [
            option("activation", &a.activation, &b.activation),
            option("anti_alias", &a.anti_alias, &b.anti_alias),
            option("global_pool", &a.global_pool, &b.global_pool),
            option("norm", &a.norm, &b.norm),
            option("norm_eps", &a.norm_eps, &b.norm_eps),
            option("shortcut", &a.shortcut, &b.shortcut),
            option("stem_pool", &a.stem_pool, &b.stem_pool),
            option("stride_placement", &a.stride_placement, &b.stride_placement),
        ];
        options
            .into_iter()
            .filter(move |option| option.expected != option.found && !self.other_options)
            // A fresh classifier learns from any pool.
            .filter(move |option| !(self.other_classes && option.key == "global_pool"))
    }
}

/// The keys of the weights and biases of norms: a vector `weight` has a vector `bias` beside it.
fn norm_parameters(expected: &[(String, Vec<usize>)]) -> BTreeSet<String> {
    let vectors = expected.iter().filter(|(_, shape)| shape.len() == 1);
    let norms = vectors.filter_map(|(key, _)| key.strip_suffix("weight"));
    norms
        .flat_map(|norm| [format!("{norm}weight"), format!("{norm}bias")])
        .collect()
}

fn is_classifier(key: &str) -> bool {
    key.starts_with("fc.")
}

/// The first convolution and its input channels in the file, if these are all that differs.
fn other_in_channels<B: Backend>(
    model: &ResNet<B>,
    entries: &BTreeMap<String, &Entry>,
) -> Option<(String, usize)> {
    let (key, expected) = model.state_shapes().into_iter().next()?;
    let entry = entries.get(&key)?;
    match (&expected[..], entry.shape()) {
        (&[out, a, height, width], &[found_out, b, found_height, found_width])
            if [out, height, width] == [found_out, found_height, found_width]
                && a != b
                && b > 0
                && entry.dtype().is_float() =>
        {
            Some((key, b))
        }
        _ => None,
    }
}

fn is_finite(data: &TensorData) -> bool {
    match data.dtype {
        DType::F32 => data
            .as_slice::<f32>()
            .is_ok_and(|values| values.iter().all(|v| v.is_finite())),
        // As the float type of a backend has it: a large `f64` is infinite in `f32`.
        _ => data.iter::<f32>().all(f32::is_finite),
    }
}

fn mismatch(key: &str, expected: impl fmt::Display, found: impl fmt::Display) -> Mismatch {
    Mismatch {
        key: key.to_string(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

struct Shape<'a>(&'a [usize]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Report {
    /// Whether nothing is wrong.
    pub fn fits(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.mismatched.is_empty()
            && self.non_finite.is_empty()
    }
}

/// What is wrong, one group after the other; the first keys of each.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mismatched = self.mismatched.iter();
        let mismatched: Vec<_> = mismatched
            .map(|m| format!("`{}` (expected {}, found {})", m.key, m.expected, m.found))
            .collect();
        let quoted = |keys: &[String]| keys.iter().map(|key| format!("`{key}`")).collect();
        let groups: [(&str, Vec<String>); 4] = [
            ("missing", quoted(&self.missing)),
            ("unexpected", quoted(&self.unexpected)),
            ("mismatched", mismatched),
            (
                "infinite, NaN or negative variance",
                quoted(&self.non_finite),
            ),
        ];
        let groups = groups.iter().filter(|(_, keys)| !keys.is_empty());
        let groups: Vec<_> = groups
            .map(|(name, keys)| format!("{name} {}", first_few(keys)))
            .collect();
        match groups.is_empty() {
            true => f.write_str("it fits"),
            false => f.write_str(&groups.join("; ")),
        }
    }
}

fn first_few(keys: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = keys
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match keys.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn hint(report: &Report) -> &'static str {
    let only_classifier = report.missing.is_empty()
        && report.unexpected.is_empty()
        && report.non_finite.is_empty()
        && report.mismatched.iter().all(|m| is_classifier(&m.key));
    match report {
        _ if only_classifier => {
            "; allow another number of classes, or build the network for those of the file"
        }
        Report { non_finite, .. } if !non_finite.is_empty() => {
            "; its training diverged, use another file"
        }
        Report {
            missing,
            unexpected,
            ..
        } if missing.len() + unexpected.len() > 4 => {
            "; the file may be of another architecture: `inspect` guesses it"
        }
        _ => "",
    }
}
