//! Networks as PyTorch has them: one state dict, whatever the modules are.

mod state;

use alloc::string::String;
use alloc::vec::Vec;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, FloatDType, Tensor, TensorData, backend::Backend};

use crate::layers::{Norm, NormMode};
use crate::{LayerGroup, ResNetConfig, UnsupportedFloat};
use state::{Load, Path, Read, Shapes};

/// A network whose parameters have PyTorch's names: a [`ResNet`](crate::ResNet), or your own module with a ResNet inside.
///
/// `resnet-weights` loads and saves any `Network`, and `resnet-train` trains it. Implement it for a module whose fields have
/// the names of the PyTorch module: nested modules need nothing else. The trait recognizes types by their names: it
/// treats `Linear`, `BatchNorm`, `GroupNorm` and `LayerNorm` as Burn's, and
/// [`ConvNormAct`](crate::layers::ConvNormAct), `DeepStem` and `PooledProjection` as this crate's.
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
    /// Calls `each` with every norm of the network, for [`with_norm_mode`](Self::with_norm_mode).
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>));

    /// Returns the same function for inference in fewer steps: every batch norm that follows a convolution is folded
    /// into it. By default nothing is folded.
    ///
    /// A folded network has convolution biases that checkpoints lack: load first, then fuse.
    ///
    /// # Records
    ///
    /// A record of a fused network fits fused networks alone, and stays in memory:
    ///
    /// * Burn's recorders return an error if they are to write one, or to read a file that claims to be one. The recorders
    ///   that use bincode panic, as they do with every error. Save before you fuse; this holds for `resnet_weights::save` as
    ///   well.
    /// * [`load_record`](Module::load_record) panics if one of network and record is fused and the other is not. Load before
    ///   you fuse.
    ///
    /// A network of your own inherits this from the [`ResNet`](crate::ResNet) and the
    /// [`ConvNormAct`](crate::layers::ConvNormAct)s inside it. Other modules that fold norms need a
    /// [`FoldMark`](crate::layers::FoldMark).
    fn fuse(self) -> Self {
        self
    }

    /// Returns the config that files of this network carry; none for networks other than a plain
    /// [`ResNet`](crate::ResNet).
    fn saved_config(&self) -> Option<&ResNetConfig> {
        None
    }

    /// Returns the group of the entry with this key.
    fn layer_group(&self, key: &str) -> LayerGroup {
        LayerGroup::of_key(key)
    }

    /// Returns key and shape of every entry of the state dict, in the order of the modules, as PyTorch has them; without
    /// the `num_batches_tracked` counters, which the network does not use.
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
        let mut shapes = Shapes {
            path: Path::default(),
            entries: Vec::new(),
        };
        self.visit(&mut shapes);
        shapes.entries
    }

    /// Hands key and values of every entry to `each`, one at a time, in the order of
    /// [`state_shapes`](Self::state_shapes). Values are in PyTorch's layout.
    ///
    /// # Errors
    ///
    /// The first error of `each`.
    fn visit_state<E>(&self, each: impl FnMut(&str, TensorData) -> Result<(), E>) -> Result<(), E> {
        let mut read = Read {
            path: Path::default(),
            each,
            result: Ok(()),
        };
        self.visit(&mut read);
        read.result
    }

    /// Replaces the values of the network. Calls `value` once with each key and shape of
    /// [`state_shapes`](Self::state_shapes). Values are in PyTorch's layout and are cast to the float type of the backend.
    /// If `value` returns `None`, the entry keeps its value.
    ///
    /// # Errors
    ///
    /// The first error of `value`; the network is gone then, so nothing is half-loaded.
    ///
    /// # Panics
    ///
    /// If a value has another shape than it was asked for.
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

    /// Returns the number of learnable parameters, frozen ones included: the weights and biases of convolutions, norms,
    /// attention and classifier. Running statistics do not count. This is PyTorch's
    /// `sum(p.numel() for p in model.parameters())`, and [`Cost::parameters`](crate::Cost::parameters) of a
    /// [`ResNet`](crate::ResNet) that is not fused; folded norms count no more, and the biases that replace them do.
    ///
    /// Burn's [`num_params`](Module::num_params) counts running statistics as well.
    fn num_parameters(&self) -> usize {
        let shapes = self.state_shapes().into_iter();
        let parameters = shapes.filter(|(key, _)| !is_running_stat(key));
        parameters
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum()
    }

    /// Returns the network with every batch norm in `mode` on autodiff backends.
    fn with_norm_mode(mut self, mode: NormMode) -> Self {
        self.each_norm(&mut |norm| norm.set_mode(mode));
        self
    }

    /// Returns the network with the groups before `group` frozen: their parameters get no gradients. The others learn.
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

    /// Returns the network in another float type. Its input has to be of that type as well, and so is its output. Fuse
    /// before, so that the folding is done in the full precision.
    ///
    /// # Errors
    ///
    /// If the network's device does not compute in `dtype`; the network is gone then.
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

/// Returns whether the key is of a running statistic, which PyTorch counts among the buffers.
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
