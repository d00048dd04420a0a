//! Networks with a PyTorch state dict.

mod state;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, FloatDType, Tensor, TensorData, backend::Backend};

use crate::layers::{Norm, NormMode};
use crate::{LayerGroup, ResNetConfig, UnsupportedFloat};
use state::{Load, Path, Read, Shapes};

/// A network whose parameters have PyTorch's names: a [`ResNet`](crate::ResNet), or your own module
/// that contains one.
///
/// `resnet-weights` loads and saves any `Network`, and `resnet-train` trains it. You can implement
/// the trait for any module whose fields have the names of the PyTorch module. Nested modules need
/// no implementation.
///
/// A field `_0` has the key `0`, for the modules of PyTorch's `Sequential`.
///
/// The trait recognizes types by name. It treats `Linear`, `BatchNorm`, `GroupNorm` and `LayerNorm`
/// as Burn's types, and [`ConvNormAct`](crate::layers::ConvNormAct), `DeepStem` and
/// `PooledProjection` as types of this crate.
///
/// ```
/// use burn::backend::Flex;
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::backend::Backend;
/// use resnet_core::layers::Norm;
/// use resnet_core::{Arch, LayerGroup, Network, ResNet};
///
/// #[derive(Module, Debug)]
/// struct Regressor<B: Backend> {
///     backbone: ResNet<B>,
///     angle: Linear<B>,
/// }
///
/// impl<B: Backend> Network<B> for Regressor<B> {
///     fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
///         self.backbone.each_norm(each);
///     }
///
///     fn layer_group(&self, key: &str) -> LayerGroup {
///         match key.strip_prefix("backbone.") {
///             Some(key) => self.backbone.layer_group(key),
///             None => LayerGroup::Head,
///         }
///     }
/// }
///
/// let device = Default::default();
/// let model = Regressor::<Flex> {
///     backbone: Arch::ResNet18.config().with_num_classes(0).init(&device),
///     angle: LinearConfig::new(512, 1).init(&device),
/// };
/// let shapes = model.state_shapes();
/// assert_eq!(shapes[0], ("backbone.conv1.weight".into(), vec![64, 3, 7, 7]));
/// assert!(shapes.contains(&("angle.weight".into(), vec![1, 512])));
/// ```
pub trait Network<B: Backend>: Module<B> {
    /// Calls `each` with every norm of the network. [`with_norm_mode`](Self::with_norm_mode) uses
    /// it.
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>));

    /// Folds every batch norm that follows a convolution into the convolution, for faster
    /// inference.
    ///
    /// The outputs stay the same. The default implementation folds nothing.
    ///
    /// Load the weights before you fuse: a fused network has convolution biases, and checkpoints
    /// lack them.
    ///
    /// # Records
    ///
    /// A record of a fused network fits only fused networks, and cannot be saved:
    ///
    /// * Burn's recorders return an error when they write such a record or read a file marked as
    ///   one. Recorders that use bincode panic, as they do for every error. Save before you fuse.
    ///   This also applies to `resnet_weights::save`.
    /// * [`load_record`](Module::load_record) panics if only one of network and record is fused.
    ///   Load before you fuse.
    ///
    /// Your own network inherits these checks from the [`ResNet`](crate::ResNet) and
    /// [`ConvNormAct`](crate::layers::ConvNormAct) modules inside it. Other modules that fold norms
    /// need a [`FoldMark`](crate::layers::FoldMark).
    fn fuse(self) -> Self {
        self
    }

    /// Returns the config that saved files contain. The default implementation returns `None`; only
    /// a plain [`ResNet`](crate::ResNet) has one.
    fn saved_config(&self) -> Option<&ResNetConfig> {
        None
    }

    /// Returns the layer group of a state-dict key.
    fn layer_group(&self, key: &str) -> LayerGroup {
        LayerGroup::of_key(key)
    }

    /// Returns whether a state-dict key belongs to the predictor: the last layers, whose shape
    /// depends on the number of classes. They start fresh if the weights have other classes. The
    /// default implementation returns whether the key belongs to [`LayerGroup::Head`].
    fn is_predictor(&self, key: &str) -> bool {
        self.layer_group(key) == LayerGroup::Head
    }

    /// Returns the key of the network for a key of a file. Networks whose layers have been renamed
    /// translate the keys of older files. The default implementation returns the key unchanged.
    fn current_key<'a>(&self, key: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(key)
    }

    /// Returns the key and shape of every entry of the state dict, in PyTorch's order.
    ///
    /// The list omits PyTorch's `num_batches_tracked` counters, because the network does not use
    /// them.
    ///
    /// ```
    /// use burn::backend::Flex;
    /// use resnet_core::{Arch, Network, ResNet};
    ///
    /// let model: ResNet<Flex> = Arch::ResNet18.config().init(&Default::default());
    /// let shapes = model.state_shapes();
    /// assert_eq!(shapes[0], ("conv1.weight".into(), vec![64, 3, 7, 7]));
    /// assert!(shapes.contains(&("fc.weight".into(), vec![1000, 512])));
    /// ```
    fn state_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Shapes::default();
        self.visit(&mut shapes);
        shapes.entries
    }

    /// Calls `each` with the key and values of every entry, one at a time, in the order of
    /// [`state_shapes`](Self::state_shapes). Values are in PyTorch's layout.
    ///
    /// # Errors
    ///
    /// Returns the first error of `each`.
    fn visit_state<E>(&self, each: impl FnMut(&str, TensorData) -> Result<(), E>) -> Result<(), E> {
        let mut read = Read {
            path: Path::default(),
            each,
            result: Ok(()),
        };
        self.visit(&mut read);
        read.result
    }

    /// Replaces the values of the network.
    ///
    /// Calls `value` once with each key and shape of [`state_shapes`](Self::state_shapes). Values
    /// are in PyTorch's layout and are cast to the float type of the backend. If `value` returns
    /// `None`, the entry keeps its value.
    ///
    /// # Errors
    ///
    /// Returns the first error of `value`. The network is consumed, so no partly loaded network
    /// remains.
    ///
    /// # Panics
    ///
    /// Panics if a value has another shape than the one passed to `value`.
    fn load_state<E>(
        self,
        value: impl FnMut(&str, &[usize]) -> Result<Option<TensorData>, E>,
    ) -> Result<Self, E> {
        let mut load = Load {
            path: Path::default(),
            value,
            error: None,
        };
        let model = self.map(&mut load);
        match load.error {
            Some(error) => Err(error),
            None => Ok(model),
        }
    }

    /// Returns the number of learnable parameters, including frozen ones.
    ///
    /// It counts weights and biases of convolutions, norms, attention and classifier, without
    /// running statistics and frozen norms. It equals PyTorch's `sum(p.numel() for p in model.parameters())`. For a
    /// [`ResNet`](crate::ResNet) that is not fused, it equals
    /// [`Cost::parameters`](crate::Cost::parameters). In a fused network it counts the convolution
    /// biases instead of the folded norms.
    ///
    /// Burn's [`num_params`](Module::num_params) also counts running statistics.
    fn num_parameters(&self) -> usize {
        let mut shapes = Shapes::default();
        self.visit(&mut shapes);
        shapes.parameters
    }

    /// Sets the mode of every batch norm on autodiff backends.
    fn with_norm_mode(mut self, mode: NormMode) -> Self {
        self.each_norm(&mut |norm| norm.set_mode(mode));
        self
    }

    /// Freezes the layer groups before `group`: their parameters get no gradients. The other
    /// parameters are trained.
    ///
    /// ```
    /// use burn::backend::{Autodiff, Flex};
    /// use resnet_core::{Arch, LayerGroup, Network, ResNet};
    ///
    /// let model: ResNet<Autodiff<Flex>> = Arch::TestResNet.config().init(&Default::default());
    /// let model = model.freeze_to(LayerGroup::Layer4);
    /// ```
    fn freeze_to(self, group: LayerGroup) -> Self {
        let shapes = self.state_shapes();
        let learns = |key: &str| !is_running_stat(key) && self.layer_group(key) >= group;
        let learns: Vec<bool> = shapes.iter().map(|(key, _)| learns(key)).collect();
        self.map(&mut Freeze(learns.into_iter()))
    }

    /// Converts the network to another float type. Inputs and outputs then have this type as well.
    ///
    /// Fuse before you cast, so that folding uses full precision.
    ///
    /// # Errors
    ///
    /// Returns an error if the device does not compute in `dtype`. The network is consumed.
    ///
    /// # Examples
    ///
    /// ```
    /// use burn::backend::Flex;
    /// use burn::tensor::{DType, FloatDType, Tensor};
    /// use resnet_core::{Arch, Network, ResNet};
    ///
    /// let device = Default::default();
    /// let model: ResNet<Flex> = Arch::CifarResNet20.config().init(&device);
    /// let half = model.fuse().cast(FloatDType::F16)?;
    /// let x = Tensor::<Flex, 4>::ones([1, 3, 32, 32], &device).cast(FloatDType::F16);
    /// assert_eq!(half.forward(x).dtype(), DType::F16);
    /// # Ok::<(), resnet_core::UnsupportedFloat>(())
    /// ```
    fn cast(self, dtype: FloatDType) -> Result<Self, UnsupportedFloat> {
        for device in self.devices() {
            if !B::supports_dtype(&device, DType::from(dtype)) {
                let backend = B::name(&device);
                return Err(UnsupportedFloat { backend, dtype });
            }
        }
        Ok(self.map(&mut Cast(dtype)))
    }
}

/// Returns whether the key names a running statistic. PyTorch counts running statistics as buffers.
pub fn is_running_stat(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or_default();
    name.starts_with("running_")
}

struct Freeze(alloc::vec::IntoIter<bool>);

impl<B: Backend> ModuleMapper<B> for Freeze {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let learns = self.0.next().unwrap_or(false);
        param.set_require_grad(learns)
    }
}

struct Cast(FloatDType);

impl<B: Backend> ModuleMapper<B> for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|tensor| {
            let trained = tensor.is_require_grad();
            tensor.cast(self.0).detach().set_require_grad(trained)
        })
    }
}
