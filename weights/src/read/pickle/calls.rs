//! Checks the calls and imports of a pickle.

use super::quantized::QUANTIZED;
use super::{Machine, ScanError, Storage, Value};

/// Modules whose functions start programs, access files or load code.
const UNSAFE_MODULES: [&str; 20] = [
    "asyncio",
    "bdb",
    "code",
    "ctypes",
    "importlib",
    "marshal",
    "multiprocessing",
    "nt",
    "os",
    "pdb",
    "pickle",
    "pip",
    "posix",
    "pty",
    "runpy",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "webbrowser",
];

/// Built-in functions that run code or read files. `getattr` is not one of them, because the state
/// of `OneCycleLR` uses it.
const UNSAFE_BUILTINS: [&str; 9] = [
    "__import__",
    "apply",
    "breakpoint",
    "compile",
    "eval",
    "exec",
    "execfile",
    "file",
    "open",
];

/// A kind of tensor or file that this reader does not support.
#[derive(Debug)]
pub(in crate::read) struct Refusal {
    /// The cause, as the predicate of a sentence about the file.
    pub(in crate::read) cause: String,
    /// The remedy in Python.
    pub(in crate::read) advice: &'static str,
}

/// Supported functions of PyTorch that create a tensor from a storage. The number is the index of
/// the metadata argument, which has the `conj` and `neg` bits.
const SUPPORTED: [(&str, Option<usize>); 5] = [
    ("torch._utils._rebuild_tensor", None),
    ("torch._utils._rebuild_tensor_v2", Some(6)),
    ("torch._utils._rebuild_tensor_v3", Some(7)),
    ("torch._utils._rebuild_parameter", None),
    ("torch._utils._rebuild_parameter_with_state", None),
];

/// Unsupported functions that create a tensor: suffix of the name, kind of tensor, remedy.
const REFUSED: [(&str, &str, &str); 13] = [
    ("_rebuild_sparse_tensor", "sparse tensors", TO_DENSE),
    ("_rebuild_sparse_csr_tensor", "sparse tensors", TO_DENSE),
    (
        "_rebuild_nested_tensor",
        "nested tensors",
        "save ordinary tensors (`tensor.to_padded_tensor(0)`)",
    ),
    ("_rebuild_qtensor", "quantized tensors", DEQUANTIZE),
    (
        "_rebuild_meta_tensor_no_storage",
        "tensors of the device `meta`, which have no values",
        "save the model after its weights are loaded",
    ),
    (
        "_rebuild_device_tensor_from_numpy",
        "tensors of an accelerator",
        MOVE_TO_CPU,
    ),
    (
        "_rebuild_device_tensor_from_cpu_tensor",
        "tensors of an accelerator",
        MOVE_TO_CPU,
    ),
    (
        "_rebuild_xla_tensor",
        "tensors of an accelerator",
        MOVE_TO_CPU,
    ),
    (
        "_rebuild_hpu_tensor",
        "tensors of an accelerator",
        MOVE_TO_CPU,
    ),
    (
        "_rebuild_mlc_tensor",
        "tensors of an accelerator",
        MOVE_TO_CPU,
    ),
    (
        "_rebuild_wrapper_subclass",
        "a tensor subclass without values of its own",
        UNWRAP,
    ),
    ("_rebuild_from_type", "a tensor subclass", UNWRAP),
    ("_rebuild_shared_storage", "a shared storage", MOVE_TO_CPU),
];

const TO_DENSE: &str = "save `tensor.to_dense()` for each of them";
pub(super) const DEQUANTIZE: &str = "save the `state_dict()` of the float model, before it is quantized, or `tensor.dequantize()` \
     for each of them";
const MOVE_TO_CPU: &str = "save `model.cpu().state_dict()`";
const UNWRAP: &str =
    "save plain tensors: `tensor.as_subclass(torch.Tensor)`, or `full_tensor()` for a `DTensor`";
const RESOLVE: &str =
    "save `tensor.resolve_neg().resolve_conj()` for each tensor of the state dict";
const STATE_DICT: &str =
    "load it in Python with the code it was made by and save `model.state_dict()`";
const TO_FLOAT: &str = "save `tensor.float()` for each of them";

/// Subclasses of `torch.Tensor` that change methods but not values.
const PLAIN_TYPES: [&str; 4] = [
    "torch.Tensor",
    "torch._tensor.Tensor",
    "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer",
];
const PLAIN_MODULES: [&str; 2] = ["fastai.torch_core.", "torchvision.tv_tensors."];

/// The allowed element types of v3 tensors.
const ELEMENTS: [&str; 16] = [
    "bool", "uint8", "float32", "float", "float64", "double", "float16", "half", "bfloat16",
    "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16",
];

pub(super) fn check_import(module: &str, name: &str) -> Result<(), ScanError> {
    let root = module.split('.').next().unwrap_or_default();
    let is_unsafe = match root {
        "builtins" | "__builtin__" => UNSAFE_BUILTINS.contains(&name),
        root => UNSAFE_MODULES.contains(&root),
    };
    if is_unsafe {
        return Err(ScanError::Unsafe(format!("{module}.{name}")));
    }
    Ok(())
}

pub(super) fn refuse(cause: impl Into<String>, advice: &'static str) -> ScanError {
    ScanError::Refused(Refusal {
        cause: cause.into(),
        advice,
    })
}

impl Machine {
    /// Checks a call by the name of its function, and pushes the result.
    pub(super) fn call(&mut self, callable: Value, arguments: Value) -> Result<(), ScanError> {
        if let Value::Global(name) = callable {
            let name = self.texts[name].clone();
            if !(self.accepts_quantized && name == QUANTIZED) {
                self.check_call(&name, arguments)?;
            }
            if let Some(tensor) = self.record(&name, arguments)? {
                self.tensors.push(tensor);
                self.push(Value::Tensor(self.tensors.len() - 1));
                return Ok(());
            }
        }
        // An `OrderedDict` is filled like any dictionary.
        match self.name(callable) {
            Some("collections.OrderedDict") => self.push_dict(Vec::new()),
            _ => self.push(Value::Other),
        }
        Ok(())
    }

    fn check_call(&self, name: &str, arguments: Value) -> Result<(), ScanError> {
        let arguments = self.items(arguments);
        let function = name.rsplit('.').next().unwrap_or_default();
        let refused = REFUSED.iter().find(|(end, ..)| *end == function);
        if let Some((_, what, advice)) = refused {
            return Err(refuse(format!("holds {what} (`{name}`)"), advice));
        }
        if name == "torch._tensor._rebuild_from_type_v2" {
            let inner = self.name(arguments.first().copied().unwrap_or(Value::None));
            match (inner, arguments.get(2)) {
                (Some(inner), Some(arguments)) if inner != name => {
                    self.check_call(inner, *arguments)?;
                }
                _ => return Err(refuse(format!("holds tensors made by `{name}`"), UNWRAP)),
            }
            return self.check_type(arguments.get(1).copied());
        }
        let Some((_, metadata)) = SUPPORTED.iter().find(|(known, _)| *known == name) else {
            if name.starts_with("torch.") && function.starts_with("_rebuild") {
                return Err(refuse(
                    format!("holds tensors made by `{name}`"),
                    STATE_DICT,
                ));
            }
            return Ok(());
        };
        if name.ends_with("_v3") {
            self.check_elements(arguments.get(6).copied())?;
        }
        let metadata = metadata.and_then(|place| arguments.get(place));
        metadata.map_or(Ok(()), |metadata| self.check_metadata(*metadata))
    }

    /// Checks the metadata, which PyTorch writes only if a bit is set.
    fn check_metadata(&self, metadata: Value) -> Result<(), ScanError> {
        let items = match metadata {
            Value::None => return Ok(()),
            Value::Dict(dict) => &self.dicts[dict],
            _ => {
                return Err(refuse(
                    "holds tensors with metadata of an unknown form",
                    RESOLVE,
                ));
            }
        };
        match items.iter().find(|[_, value]| *value != Value::False) {
            None => Ok(()),
            Some([key, _]) => {
                let bit = self.name(*key).unwrap_or("unknown");
                Err(refuse(
                    format!("holds tensors with the `{bit}` bit set"),
                    RESOLVE,
                ))
            }
        }
    }

    fn check_type(&self, class: Option<Value>) -> Result<(), ScanError> {
        let class = class
            .and_then(|class| self.name(class))
            .unwrap_or("unknown");
        let plain = PLAIN_TYPES.contains(&class)
            || PLAIN_MODULES.iter().any(|module| class.starts_with(module));
        match plain {
            true => Ok(()),
            false => Err(refuse(
                format!("holds tensors of the class `{class}`"),
                UNWRAP,
            )),
        }
    }

    fn check_elements(&self, dtype: Option<Value>) -> Result<(), ScanError> {
        let dtype = dtype
            .and_then(|dtype| self.name(dtype))
            .unwrap_or("unknown");
        let elements = dtype.strip_prefix("torch.").unwrap_or(dtype);
        match ELEMENTS.contains(&elements) {
            true => Ok(()),
            false => Err(refuse(
                format!("holds tensors of `{dtype}` elements"),
                TO_FLOAT,
            )),
        }
    }

    /// Checks a persistent id: `('storage', class, key, location, count)`, or in legacy files also
    /// `('module', class, source file, source)`.
    pub(super) fn persistent(&mut self, id: Value) -> Result<(), ScanError> {
        let items = self.items(id);
        match items.first().and_then(|kind| self.name(*kind)) {
            Some("module") => {
                return Err(refuse(
                    "is a whole module, pickled by PyTorch 1.5 or earlier",
                    STATE_DICT,
                ));
            }
            Some("storage") => {
                let class = items.get(1).and_then(|class| self.name(*class));
                let class = class.unwrap_or_default();
                let kind = class.rsplit('.').next().unwrap_or_default();
                let is_quantized = kind.starts_with("QInt") || kind.starts_with("QUInt");
                if is_quantized && !(self.accepts_quantized && kind == "QInt8Storage") {
                    return Err(refuse(
                        format!("holds quantized tensors (`{class}`)"),
                        DEQUANTIZE,
                    ));
                }
                if kind.starts_with("Complex") {
                    let cause = format!("holds complex tensors (`{class}`)");
                    return Err(refuse(
                        cause,
                        "save `torch.view_as_real(tensor)` for each of them",
                    ));
                }
                let key = items.get(2).and_then(|key| self.name(*key));
                if let (true, Some(key)) = (self.accepts_quantized, key) {
                    let (class, key) = (kind.to_string(), key.to_string());
                    self.storages.push(Storage { class, key });
                    self.push(Value::Storage(self.storages.len() - 1));
                    return Ok(());
                }
            }
            _ => {}
        }
        self.push(Value::Other);
        Ok(())
    }
}
