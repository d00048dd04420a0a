//! From a checkpoint into a network: all of it, or an error that says all that is wrong.

mod compare;
mod expected;
mod report;

use burn::module::{ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData, backend::Backend};
use resnet_core::Network;
use resnet_core::layers::adapt_in_channels;

use self::expected::{Expected, entries};
use self::report::hint;
pub use self::report::{LoadHint, Mismatch, Report};
use crate::{Checkpoint, InferError, ReadError};

/// What may differ between a checkpoint and the network it is loaded into. By default nothing.
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
/// // Strict: every tensor has its place and every place its tensor.
/// let model: ResNet<Flex> = config.init(&Default::default());
/// let (model, report) = Load::default().apply(model, &checkpoint)?;
/// assert_eq!(report.loaded, 97);
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
        "`{file}`: expected one linear layer as the classifier, found more in `{head}`; load a network of 0 classes with \
         `Load::allow_other_classes()`"
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

    /// Lets the input channels differ: the first convolution is adapted then, see [`adapt_in_channels`].
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

    /// Returns the network with the values of the checkpoint, cast to the float type of the backend.
    ///
    /// A network of your own (see [`Network`]) takes a file that [`Save`](crate::Save) wrote of it. For the weights of a
    /// ResNet, load its backbone before you put the network together.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or does not fit; the report lists every key that is wrong.
    pub fn apply<B: Backend, N: Network<B>>(
        self,
        model: N,
        checkpoint: &Checkpoint,
    ) -> Result<(N, Report), LoadError> {
        let shapes = model.state_shapes();
        let network = Expected::new(&model, &shapes);
        let entries = entries(checkpoint, &network)?;
        if let Some(head) = checkpoint.layered_head()
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
        let mut report = self.compare(&network, entries.clone(), adapted.as_deref());
        if let (Some(expected), Some(found)) = (model.saved_config(), checkpoint.config()) {
            let differing = self.differing_options(expected, found);
            report.mismatched.extend(differing);
        }
        report.adapted = adapted.into_iter().collect();
        let left_out = checkpoint.left_out().iter();
        let left_out = left_out.filter(|key| !entries.contains_key(*key));
        report.left_out = left_out.cloned().collect();
        let rejected = |report| LoadError::Rejected {
            file: checkpoint.name().to_string(),
            report: Box::new(report),
        };
        if !report.fits() {
            return Err(rejected(report));
        }
        let device = first_device(&model);
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
            let data = match entries.get(key) {
                Some(entry) => checkpoint.read_entry(entry)?,
                None => checkpoint.read(key)?,
            };
            let negative = key.ends_with("running_var") && data.iter::<f32>().any(|var| var < 0.0);
            if negative || !is_finite(&data) {
                report.non_finite.push(key.to_string());
            }
            report.loaded += 1;
            Ok(Some(
                match report.adapted.iter().any(|adapted| adapted == key) {
                    true => {
                        let weight =
                            Tensor::<B, 4>::from_data(data.convert::<B::FloatElem>(), &device);
                        adapt_in_channels(weight, shape[1]).into_data()
                    }
                    false => data,
                },
            ))
        })?;
        match report.fits() {
            true => Ok((model, report)),
            false => Err(rejected(report)),
        }
    }
}

/// The device of the first parameter. [`Module::devices`](burn::module::Module::devices) would draw the values of all
/// parameters that have none yet.
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
        // As the float type of a backend has it: a large `f64` is infinite in `f32`.
        _ => data.iter::<f32>().all(f32::is_finite),
    }
}
