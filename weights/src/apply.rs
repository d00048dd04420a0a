//! Loads a checkpoint into a network, or returns an error that lists every mismatch.

mod compare;
mod compile;
mod expected;
mod report;

use std::collections::BTreeMap;

use burn::module::{ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData, backend::Backend};
use resnet_core::layers::adapt_in_channels;
use resnet_core::{Network, ResNetConfig};

use self::expected::{Expected, entries};
use self::report::hint;
pub use self::report::{LoadHint, Mismatch, Report};
use crate::{Checkpoint, Entry, InferError, ReadError};

/// The differences to accept between a checkpoint and a network; by default none.
///
/// ```
/// use burn::backend::Flex;
/// use resnet_core::{Arch, ResNet, ResNetConfig};
/// use resnet_weights::{Checkpoint, Load};
///
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/embedded/cifar_resnet20.resnet_zoo_c10.safetensors");
/// let checkpoint = Checkpoint::open(file)?;
/// let config = ResNetConfig::named("cifar_resnet20")?;
///
/// // Strict: the keys of the file and of the network must be the same.
/// let model: ResNet<Flex> = config.init(&Default::default());
/// let (model, report) = Load::default().apply(model, &checkpoint)?;
/// assert_eq!(report.loaded, 97);
///
/// // Three custom classes: loads the backbone, keeps the fresh classifier.
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

/// The error for a checkpoint that was not loaded. The network is not partly loaded either.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file or one of its tensors cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file contains several networks.
    #[error(transparent)]
    Several(InferError),
    /// The file has a head of several layers, but the network has a single linear classifier.
    #[error(
        "`{file}`: expected one linear layer as the classifier, found more in `{head}`; load a network of 0 classes with \
         `Load::allow_other_classes()`"
    )]
    LayeredHead {
        /// The file.
        file: String,
        /// The first component of the head's keys.
        head: String,
    },
    /// The file has integers, which only a compiled network runs.
    #[error(
        "`{file}`: expected weights in floats, found a quantized network, which runs on the backend `cpu` only"
    )]
    Quantized {
        /// The file.
        file: String,
    },
    /// The network cannot be compiled.
    #[error("`{file}`: {cause}")]
    Compile {
        /// The file.
        file: String,
        /// The cause.
        cause: String,
    },
    /// The file does not fit the network.
    #[error("`{file}`: does not fit the network: {report}{}", hint(.report))]
    Rejected {
        /// The file.
        file: String,
        /// All mismatches.
        report: Box<Report>,
    },
}

impl Load {
    /// Accepts another number of classes; the classifier then keeps its initial values.
    pub fn allow_other_classes(self) -> Self {
        Self {
            other_classes: true,
            ..self
        }
    }

    /// Accepts another number of input channels. [`adapt_in_channels`] then adapts the first
    /// convolution.
    pub fn allow_other_in_channels(self) -> Self {
        Self {
            other_in_channels: true,
            ..self
        }
    }

    /// Accepts different values of options that keys and shapes do not show, such as the epsilon of
    /// the normalization layers. The network keeps its own values.
    pub fn allow_other_options(self) -> Self {
        Self {
            other_options: true,
            ..self
        }
    }

    /// Returns the network with the tensors of the checkpoint, cast to the float type of the
    /// backend.
    ///
    /// The network may be your own (see [`Network`]); [`Save`](crate::Save) writes files of it. To
    /// start it from the weights of a ResNet, load the backbone before you put the network
    /// together.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or does not match the network. The report in the
    /// error lists every wrong key.
    pub fn apply<B: Backend, N: Network<B>>(
        self,
        model: N,
        checkpoint: &Checkpoint,
    ) -> Result<(N, Report), LoadError> {
        let shapes = model.state_shapes();
        let network = Expected::new(&model, &shapes);
        let entries = entries(checkpoint, &model, &network)?;
        let mut matched = self.matched(checkpoint, &network, model.saved_config(), entries)?;
        let device = first_device(&model);
        let model = model.load_state(|key, shape| {
            let data = matched.read(key, shape)?;
            let adapted = matched.report.adapted.iter().any(|adapted| adapted == key);
            let adapt = |data: TensorData| match adapted {
                true => {
                    let weight = Tensor::<B, 4>::from_data(data.convert::<B::FloatElem>(), &device);
                    adapt_in_channels(weight, shape[1]).into_data()
                }
                false => data,
            };
            Ok::<_, ReadError>(data.map(adapt))
        })?;
        Ok((model, matched.finish()?))
    }

    /// Compares a checkpoint with the network, before any tensor is read.
    fn matched<'a>(
        self,
        checkpoint: &'a Checkpoint,
        network: &Expected<'_>,
        config: Option<&ResNetConfig>,
        entries: BTreeMap<String, &'a Entry>,
    ) -> Result<Matched<'a>, LoadError> {
        if checkpoint.is_quantized() {
            let file = checkpoint.name().to_string();
            return Err(LoadError::Quantized { file });
        }
        if let Some(head) = checkpoint.layered_head()
            && network.is_resnet
            && !self.other_classes
            && entries.keys().any(|key| network.is_head(key))
        {
            return Err(LoadError::LayeredHead {
                file: checkpoint.name().to_string(),
                head: head.to_string(),
            });
        }
        let adapted = match self.other_in_channels {
            true => network.other_in_channels(&entries),
            false => None,
        };
        let mut report = self.compare(network, entries.clone(), adapted.as_deref());
        if let (Some(expected), Some(found)) = (config, checkpoint.config()) {
            let differing = self.differing_options(expected, found);
            report.mismatched.extend(differing);
        }
        report.adapted = adapted.into_iter().collect();
        let left_out = checkpoint.left_out().iter();
        let left_out = left_out.filter(|key| !entries.contains_key(*key));
        report.left_out = left_out.cloned().collect();
        let matched = Matched {
            checkpoint,
            entries,
            report,
        };
        match matched.report.fits() {
            true => Ok(matched),
            false => Err(matched.rejected()),
        }
    }
}

/// A checkpoint that fits a network.
struct Matched<'a> {
    checkpoint: &'a Checkpoint,
    /// The tensors by the keys of the network.
    entries: BTreeMap<String, &'a Entry>,
    report: Report,
}

impl Matched<'_> {
    /// Reads a tensor and notes its values in the report. Returns `None` if it keeps its initial
    /// values.
    fn read(&mut self, key: &str, shape: &[usize]) -> Result<Option<TensorData>, ReadError> {
        let report = &mut self.report;
        if report.fresh.iter().any(|fresh| fresh == key) {
            return Ok(None);
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
        let data = match self.entries.get(key) {
            Some(entry) => self.checkpoint.read_entry(entry)?,
            None => self.checkpoint.read(key)?,
        };
        let negative = key.ends_with("running_var") && data.iter::<f32>().any(|var| var < 0.0);
        if negative || !is_finite(&data) {
            report.non_finite.push(key.to_string());
        }
        report.loaded += 1;
        Ok(Some(data))
    }

    /// Returns the report, or an error if a tensor that was read does not fit.
    fn finish(self) -> Result<Report, LoadError> {
        match self.report.fits() {
            true => Ok(self.report),
            false => Err(self.rejected()),
        }
    }

    fn rejected(self) -> LoadError {
        LoadError::Rejected {
            file: self.checkpoint.name().to_string(),
            report: Box::new(self.report),
        }
    }
}

/// Returns the device of the first parameter. [`Module::devices`](burn::module::Module::devices)
/// would initialize every parameter that is still lazy.
fn first_device<B: Backend>(model: &impl Network<B>) -> B::Device {
    struct First<B: Backend>(Option<B::Device>);

    impl<B: Backend> ModuleVisitor<B> for First<B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.0.get_or_insert_with(|| param.lazy_device());
        }
    }

    let mut first = First(None);
    model.visit(&mut first);
    first.0.unwrap_or_default()
}

fn is_finite(data: &TensorData) -> bool {
    match data.dtype {
        DType::F32 => data
            .as_slice::<f32>()
            .is_ok_and(|values| values.iter().all(|v| v.is_finite())),
        // In the backend's float type: a large `f64` becomes infinite in `f32`.
        _ => data.iter::<f32>().all(f32::is_finite),
    }
}
