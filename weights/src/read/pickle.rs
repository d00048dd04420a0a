//! Scans pickles before pytorch-reader builds their objects.
//!
//! Each operation of a pickle costs the reader about a hundred bytes of memory, without a limit:
//! 100 MB of `N` would become some 10 GB of `None`. The reader also ignores unknown properties of a
//! tensor, such as the `neg` bit. The scanner therefore simulates the pickle stack machine, with
//! just enough information in each value to check every call that creates a tensor.

mod calls;
mod input;
mod quantized;
mod step;

use std::collections::HashMap;
use std::io::{self, BufRead};

use calls::Refusal;
use input::{array, length, skip};
pub(super) use quantized::{Recorded, Scales};

/// The limit of operations in all pickles of a file. `torch.save` writes about 35 per tensor.
const MAX_OPERATIONS: u64 = 1_000_000;

/// The length limit of names of Python objects.
const MAX_NAME_BYTES: u64 = 256;

/// The reason why a scan stopped.
#[derive(Debug)]
pub(super) enum ScanError {
    Io(io::Error),
    UnknownOperation(u8),
    /// An operation lacks an operand on the stack.
    Inconsistent,
    TooManyOperations,
    Unsafe(String),
    Refused(Refusal),
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        ScanError::Io(error)
    }
}

/// A value on the stack, reduced to the information that the checks need. Containers are in an
/// arena, so that deep nesting cannot overflow the call stack.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Mark,
    None,
    True,
    False,
    /// Index into the texts.
    Text(usize),
    /// Index into the texts: `module.name`.
    Global(usize),
    /// Index into the tuples.
    Tuple(usize),
    /// Index into the dictionaries.
    Dict(usize),
    Int(i64),
    Float(f64),
    /// Index into the storages.
    Storage(usize),
    /// Index into the tensors.
    Tensor(usize),
    Other,
}

/// A scanner for the pickles of one file, which share one limit.
#[derive(Default)]
pub(super) struct Scanner {
    operations: u64,
    accepts_quantized: bool,
    machine: Machine,
}

/// The state of one pickle.
#[derive(Default)]
struct Machine {
    stack: Vec<Value>,
    memo: HashMap<u64, Value>,
    texts: Vec<String>,
    tuples: Vec<Vec<Value>>,
    dicts: Vec<Vec<[Value; 2]>>,
    storages: Vec<Storage>,
    tensors: Vec<Recorded>,
    /// Whether quantized tensors are accepted.
    accepts_quantized: bool,
}

/// A storage of a pickle.
#[derive(Clone, Debug)]
struct Storage {
    /// Class of PyTorch, such as `QInt8Storage`.
    class: String,
    key: String,
}

impl Scanner {
    /// Accepts quantized tensors of 8-bit integers, for [`quantized`](Self::quantized).
    pub(super) fn accept_quantized(&mut self) {
        self.accepts_quantized = true;
    }

    /// Returns the tensors of the last pickle by key if some are quantized.
    pub(super) fn quantized(&self) -> Option<Vec<(String, Recorded)>> {
        self.machine.quantized()
    }

    pub(super) const MAX_OPERATIONS: u64 = MAX_OPERATIONS;

    /// Scans one pickle and leaves `input` at its end.
    pub(super) fn scan(&mut self, input: &mut impl BufRead) -> Result<(), ScanError> {
        self.machine = Machine {
            accepts_quantized: self.accepts_quantized,
            ..Machine::default()
        };
        loop {
            self.operations += 1;
            if self.operations > MAX_OPERATIONS {
                return Err(ScanError::TooManyOperations);
            }
            let [operation] = array(input)?;
            if operation == b'.' {
                return Ok(());
            }
            self.machine.step(operation, input)?;
        }
    }
}

impl Machine {
    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn pop(&mut self) -> Result<Value, ScanError> {
        self.stack.pop().ok_or(ScanError::Inconsistent)
    }

    fn other(&mut self, read: io::Result<()>) -> Result<(), ScanError> {
        read?;
        self.push(Value::Other);
        Ok(())
    }

    /// Pops the values since the last mark, and the mark.
    fn since_mark(&mut self) -> Result<Vec<Value>, ScanError> {
        let mark = self.stack.iter().rposition(|value| *value == Value::Mark);
        let mark = mark.ok_or(ScanError::Inconsistent)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn put(&mut self, place: u64) -> Result<(), ScanError> {
        let value = *self.stack.last().ok_or(ScanError::Inconsistent)?;
        self.memo.insert(place, value);
        Ok(())
    }

    fn get(&mut self, place: u64) -> Result<(), ScanError> {
        let value = *self.memo.get(&place).ok_or(ScanError::Inconsistent)?;
        self.push(value);
        Ok(())
    }

    fn text<const N: usize>(&mut self, input: &mut impl BufRead) -> Result<(), ScanError> {
        let length = length::<N>(input)?;
        if length > MAX_NAME_BYTES {
            return self.other(skip(input, length));
        }
        let mut bytes = vec![0; length as usize];
        input.read_exact(&mut bytes)?;
        self.push_text(String::from_utf8_lossy(&bytes).into_owned());
        Ok(())
    }

    fn push_text(&mut self, text: String) {
        self.texts.push(text);
        self.push(Value::Text(self.texts.len() - 1));
    }

    fn push_tuple(&mut self, items: Vec<Value>) {
        self.tuples.push(items);
        self.push(Value::Tuple(self.tuples.len() - 1));
    }

    fn push_dict(&mut self, items: Vec<[Value; 2]>) {
        self.dicts.push(items);
        self.push(Value::Dict(self.dicts.len() - 1));
    }

    fn set_items(&mut self, items: &[[Value; 2]]) {
        if let Some(Value::Dict(dict)) = self.stack.last() {
            self.dicts[*dict].extend_from_slice(items);
        }
    }

    fn name(&self, value: Value) -> Option<&str> {
        match value {
            Value::Text(text) | Value::Global(text) => Some(&self.texts[text]),
            _ => None,
        }
    }

    fn items(&self, value: Value) -> &[Value] {
        match value {
            Value::Tuple(tuple) => &self.tuples[tuple],
            _ => &[],
        }
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), ScanError> {
        calls::check_import(module, name)?;
        self.texts.push(format!("{module}.{name}"));
        self.push(Value::Global(self.texts.len() - 1));
        Ok(())
    }

    fn stack_global(&mut self) -> Result<(), ScanError> {
        let name = self.pop()?;
        let module = self.pop()?;
        match [module, name].map(|text| self.name(text).map(String::from)) {
            [Some(module), Some(name)] => self.global(&module, &name),
            _ => Err(ScanError::Inconsistent),
        }
    }
}

#[cfg(test)]
mod tests;
