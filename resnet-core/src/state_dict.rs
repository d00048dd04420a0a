//! The network as a PyTorch state dict: keys, shapes and values, both ways.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Element, Tensor, TensorData, backend::Backend};

use crate::{ResNet, ResNetConfig, ShortcutKind};

/// Where a module path is not the key already. The stages, blocks, convolutions and norms are.
const RENAMES: [(&str, &str); 7] = [
    ("conv1.conv1", "conv1.0"),
    ("conv1.bn1", "conv1.1"),
    ("conv1.conv2", "conv1.3"),
    ("conv1.bn2", "conv1.4"),
    ("conv1.conv3", "conv1.6"),
    ("maxpool.conv", "maxpool.0"),
    ("maxpool.bn", "maxpool.1"),
];

/// The shortcut's place in PyTorch's `Sequential` depends on what stands before and after it.
fn shortcut_renames(config: &ResNetConfig) -> &'static [(&'static str, &'static str)] {
    match config.shortcut {
        _ if config.is_pre_activation() => &[("downsample.conv", "downsample")],
        ShortcutKind::AvgPoolProjection => &[
            ("downsample.conv", "downsample.1"),
            ("downsample.bn", "downsample.2"),
        ],
        _ => &[
            ("downsample.conv", "downsample.0"),
            ("downsample.bn", "downsample.1"),
        ],
    }
}

impl<B: Backend> ResNet<B> {
    /// Key and shape of every entry of the state dict, in the order of the modules, as torchvision
    /// and timm have them; without the `num_batches_tracked` counters, which the network does not use.
    ///
    /// ```
    /// use burn::backend::Flex;
    /// use resnet_core::{Arch, ResNet};
    ///
    /// let model: ResNet<Flex> = Arch::ResNet18.config().init(&Default::default());
    /// let shapes = model.state_shapes();
    /// assert_eq!(shapes[0], ("conv1.weight".into(), vec![64, 3, 7, 7]));
    /// assert!(shapes.contains(&("fc.weight".into(), vec![1000, 512])));
    /// ```
    pub fn state_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Shapes {
            path: Path::new(self.config()),
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
    pub fn visit_state<E>(
        &self,
        each: impl FnMut(&str, TensorData) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut read = Read {
            path: Path::new(self.config()),
            each,
            result: Ok(()),
        };
        self.visit(&mut read);
        read.result
    }

    /// The same network with its values replaced by those of `value`, which is asked once for every
    /// key and shape of [`state_shapes`](Self::state_shapes). Values are in PyTorch's layout and are
    /// cast to the float type of the backend; `None` keeps an entry as it is.
    ///
    /// # Errors
    ///
    /// The first error of `value`; the network is gone then, so nothing is half-loaded.
    ///
    /// # Panics
    ///
    /// If a value has another shape than it was asked for.
    pub fn load_state<E>(
        self,
        value: impl FnMut(&str, &[usize]) -> Result<Option<TensorData>, E>,
    ) -> Result<Self, E> {
        let mut load = Load {
            path: Path::new(self.config()),
            value,
            error: None,
        };
        let model = self.map(&mut load);
        match load.error {
            Some(error) => Err(error),
            None => Ok(model),
        }
    }
}

/// The path to the parameter that is being visited.
struct Path {
    parts: Vec<String>,
    shortcut: &'static [(&'static str, &'static str)],
}

impl Path {
    fn new(config: &ResNetConfig) -> Self {
        Self {
            parts: Vec::new(),
            shortcut: shortcut_renames(config),
        }
    }

    /// The variants of an enum are no level of their own in PyTorch.
    fn enter(&mut self, name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.parts.push(name.to_string());
        }
    }

    fn exit(&mut self, container: &str) {
        if !container.starts_with("Enum:") {
            self.parts.pop();
        }
    }

    fn key(&self) -> String {
        let mut key = self.parts.join(".");
        for (from, to) in RENAMES.iter().chain(self.shortcut) {
            if let Some(at) = key
                .find(from)
                .filter(|&at| at == 0 || key.as_bytes()[at - 1] == b'.')
            {
                key.replace_range(at..at + from.len(), to);
            }
        }
        key
    }
}

/// Burn keeps the classifier's weight as `[in, out]`, PyTorch as `[out, in]`; nothing else has two dimensions.
fn torch_shape(shape: &[usize]) -> Vec<usize> {
    match shape {
        [input, output] => alloc::vec![*output, *input],
        shape => shape.to_vec(),
    }
}

struct Shapes {
    path: Path,
    entries: Vec<(String, Vec<usize>)>,
}

impl<B: Backend> ModuleVisitor<B> for Shapes {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.entries
            .push((self.path.key(), torch_shape(&param.lazy_shape())));
    }
}

struct Read<F, E> {
    path: Path,
    each: F,
    result: Result<(), E>,
}

impl<B: Backend, E, F: FnMut(&str, TensorData) -> Result<(), E>> ModuleVisitor<B> for Read<F, E> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if self.result.is_ok() {
            let tensor = param.val();
            let tensor = if D == 2 { tensor.transpose() } else { tensor };
            self.result = (self.each)(&self.path.key(), tensor.into_data());
        }
    }
}

struct Load<F, E> {
    path: Path,
    value: F,
    error: Option<E>,
}

impl<B: Backend, E, F> ModuleMapper<B> for Load<F, E>
where
    F: FnMut(&str, &[usize]) -> Result<Option<TensorData>, E>,
{
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if self.error.is_some() {
            return param;
        }
        let key = self.path.key();
        let shape = torch_shape(&param.lazy_shape());
        let data = match (self.value)(&key, &shape) {
            Ok(Some(data)) => data,
            Ok(None) => return param,
            Err(error) => {
                self.error = Some(error);
                return param;
            }
        };
        assert!(
            data.shape[..] == shape[..],
            "`{key}`: expected shape {shape:?}, found {:?}",
            data.shape
        );
        let device = param.lazy_device();
        let dtype: DType = <B::FloatElem as Element>::dtype();
        let data = data.convert_dtype(dtype);
        // Not by a view: burn-wgpu 0.21 multiplies one vector by a transposed matrix wrongly.
        let data = if D == 2 {
            transposed::<B::FloatElem>(&data)
        } else {
            data
        };
        let tensor = Tensor::<B, D>::from_data(data, &device);
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

/// The matrix with rows and columns exchanged.
fn transposed<E: Element>(matrix: &TensorData) -> TensorData {
    let [rows, columns] = [matrix.shape[0], matrix.shape[1]];
    let values = matrix.iter::<E>().collect::<Vec<E>>();
    let column = |c: usize| (0..rows).map(move |r| r * columns + c);
    let order = (0..columns).flat_map(column);
    TensorData::new(
        order.map(|i| values[i]).collect::<Vec<E>>(),
        [columns, rows],
    )
}
