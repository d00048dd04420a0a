//! The parameters of a module as entries of a PyTorch state dict.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Element, Tensor, TensorData, backend::Backend};

use super::is_running_stat;

/// The fields that have another name in PyTorch, such as an index in a `Sequential`.
const RENAMES: [(&str, &[(&str, &str)]); 6] = [
    (
        "Struct:DeepStem",
        &[
            ("conv1", "0"),
            ("bn1", "1"),
            ("conv2", "3"),
            ("bn2", "4"),
            ("conv3", "6"),
        ],
    ),
    ("Struct:ConvNormAct", &[("conv", "0"), ("norm", "1")]),
    // Norms of Burn.
    ("Struct:BatchNorm", BURN_NORM),
    ("Struct:GroupNorm", BURN_NORM),
    ("Struct:LayerNorm", BURN_NORM),
    // Index 0 is the pool.
    ("Struct:PooledProjection", &[("conv", "1"), ("bn", "2")]),
];

const BURN_NORM: &[(&str, &str)] = &[("gamma", "weight"), ("beta", "bias")];

/// The path to the visited parameter.
#[derive(Default)]
pub(super) struct Path {
    parts: Vec<String>,
    /// The container type of each part.
    containers: Vec<String>,
    /// Whether the parameter belongs to a frozen norm.
    frozen: bool,
}

impl Path {
    /// Adds a level to the path. Variants of an enum have no level in PyTorch. A field `_0` is the
    /// entry `0` of a `Sequential`.
    fn enter(&mut self, name: &str, container: &str) {
        if container.starts_with("Enum:") {
            self.frozen |= container == "Enum:Norm" && name == "Frozen";
            return;
        }
        let name = index(name).unwrap_or(name);
        let renames = RENAMES.iter().find(|(owner, _)| *owner == container);
        let renamed = renames.and_then(|(_, names)| names.iter().find(|(from, _)| *from == name));
        let name = renamed.map_or(name, |(_, to)| to);
        self.parts.push(name.to_string());
        self.containers.push(container.to_string());
    }

    fn exit(&mut self, container: &str) {
        if container.starts_with("Enum:") {
            self.frozen = false;
        } else {
            self.parts.pop();
            self.containers.pop();
        }
    }

    fn key(&self) -> String {
        self.parts.join(".")
    }

    /// Returns whether the tensor is the weight of a linear layer: `[in, out]` in Burn, `[out, in]`
    /// in PyTorch.
    fn is_transposed(&self, rank: usize) -> bool {
        rank == 2
            && self
                .containers
                .last()
                .is_some_and(|owner| owner == "Struct:Linear")
    }

    fn torch_shape(&self, shape: &[usize]) -> Vec<usize> {
        match shape {
            [input, output] if self.is_transposed(2) => alloc::vec![*output, *input],
            shape => shape.to_vec(),
        }
    }
}

fn index(field: &str) -> Option<&str> {
    let index = field.strip_prefix('_')?;
    index
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(index)
}

#[derive(Default)]
pub(super) struct Shapes {
    pub(super) path: Path,
    pub(super) entries: Vec<(String, Vec<usize>)>,
    /// Number of values that are parameters in PyTorch, not buffers.
    pub(super) parameters: usize,
}

impl<B: Backend> ModuleVisitor<B> for Shapes {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let shape = self.path.torch_shape(&param.lazy_shape());
        let key = self.path.key();
        if !self.path.frozen && !is_running_stat(&key) {
            self.parameters += shape.iter().product::<usize>();
        }
        self.entries.push((key, shape));
    }
}

pub(super) struct Read<F, E> {
    pub(super) path: Path,
    pub(super) each: F,
    pub(super) result: Result<(), E>,
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
            let tensor = match self.path.is_transposed(D) {
                true => tensor.transpose(),
                false => tensor,
            };
            self.result = (self.each)(&self.path.key(), tensor.into_data());
        }
    }
}

pub(super) struct Load<F, E> {
    pub(super) path: Path,
    pub(super) value: F,
    pub(super) error: Option<E>,
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
        let shape = self.path.torch_shape(&param.lazy_shape());
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
        // Copies, because burn-wgpu 0.21 multiplies a vector by a transposed view incorrectly.
        let data = match self.path.is_transposed(D) {
            true => transposed::<B::FloatElem>(&data),
            false => data,
        };
        let tensor = Tensor::<B, D>::from_data(data, &device);
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

/// Returns the transposed matrix.
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
