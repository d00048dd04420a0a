//! A node of the graph, and checks of its attributes.

use std::collections::BTreeMap;

use super::constant::Constant;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// The operator, with its domain as a prefix if that is not ONNX's.
    pub(crate) op: String,
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    pub(super) attributes: BTreeMap<String, Attribute>,
}

#[derive(Debug)]
pub(super) enum Attribute {
    Float(f32),
    Floats(Vec<f32>),
    Int(i64),
    Ints(Vec<i64>),
    Text(String),
    Tensor(Constant),
    Other,
}

impl Node {
    /// Returns an error message that names the node.
    pub(crate) fn fault(&self, fault: &str) -> String {
        let name = match self.name.as_str() {
            "" => self.outputs.first().map_or("", String::as_str),
            name => name,
        };
        format!("node `{name}` ({}): {fault}", self.op)
    }

    pub(crate) fn expected(
        &self,
        what: &str,
        expected: impl std::fmt::Debug,
        found: impl std::fmt::Debug,
    ) -> String {
        self.fault(&format!("expected {what} {expected:?}, found {found:?}"))
    }

    pub(crate) fn input(&self, index: usize) -> Result<&str, String> {
        let input = self.inputs.get(index).filter(|input| !input.is_empty());
        input
            .map(String::as_str)
            .ok_or_else(|| self.fault(&format!("lacks input {index}")))
    }

    pub(crate) fn has_input(&self, index: usize) -> bool {
        self.inputs
            .get(index)
            .is_some_and(|input| !input.is_empty())
    }

    /// Returns the name of its only output.
    pub(crate) fn output(&self) -> Result<&str, String> {
        let mut outputs = self.outputs.iter().filter(|output| !output.is_empty());
        match (outputs.next(), outputs.next()) {
            (Some(output), None) => Ok(output),
            _ => Err(self.fault(&format!("expected 1 output, found {}", self.outputs.len()))),
        }
    }

    /// Returns whether its inputs are exactly these two values.
    pub(crate) fn combines(&self, [a, b]: [&str; 2]) -> bool {
        matches!(&self.inputs[..], [x, y] if (x == a && y == b) || (x == b && y == a))
    }

    pub(crate) fn has_attributes(&self) -> bool {
        !self.attributes.is_empty()
    }

    /// Returns an error if the node has attributes other than `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), String> {
        match self
            .attributes
            .keys()
            .find(|key| !known.contains(&key.as_str()))
        {
            Some(key) => Err(self.fault(&format!("has the unknown attribute `{key}`"))),
            None => Ok(()),
        }
    }

    pub(crate) fn int(&self, key: &str, default: i64) -> Result<i64, String> {
        match self.attributes.get(key) {
            None => Ok(default),
            Some(Attribute::Int(value)) => Ok(*value),
            Some(_) => Err(self.fault(&format!("expected an integer as `{key}`"))),
        }
    }

    /// Returns an error if an integer attribute does not have the expected value.
    pub(crate) fn is(&self, key: &str, default: i64, expected: i64) -> Result<(), String> {
        match self.int(key, default)? {
            found if found == expected => Ok(()),
            found => Err(self.expected(&format!("`{key}`"), expected, found)),
        }
    }

    pub(crate) fn ints(&self, key: &str) -> Result<Option<&[i64]>, String> {
        match self.attributes.get(key) {
            None => Ok(None),
            Some(Attribute::Ints(values)) => Ok(Some(values)),
            Some(_) => Err(self.fault(&format!("expected integers as `{key}`"))),
        }
    }

    pub(crate) fn float(&self, key: &str, default: f32) -> Result<f32, String> {
        match self.attributes.get(key) {
            None => Ok(default),
            Some(Attribute::Float(value)) => Ok(*value),
            Some(_) => Err(self.fault(&format!("expected a number as `{key}`"))),
        }
    }

    pub(crate) fn text<'a>(&'a self, key: &str, default: &'a str) -> Result<&'a str, String> {
        match self.attributes.get(key) {
            None => Ok(default),
            Some(Attribute::Text(value)) => Ok(value),
            Some(_) => Err(self.fault(&format!("expected a text as `{key}`"))),
        }
    }

    /// Returns the value of an attribute that must be equal on all sides: strides, dilations, pads.
    pub(crate) fn same(&self, key: &str, sides: usize, default: usize) -> Result<usize, String> {
        let Some(values) = self.ints(key)? else {
            return Ok(default);
        };
        match values {
            [first, rest @ ..]
                if values.len() == sides && rest.iter().all(|value| value == first) =>
            {
                usize::try_from(*first)
                    .map_err(|_| self.expected(&format!("`{key}`"), "positive numbers", values))
            }
            _ => Err(self.fault(&format!(
                "expected {sides} equal numbers as `{key}`, found {values:?}"
            ))),
        }
    }

    /// Returns an error for padding that depends on the size of the input.
    pub(crate) fn explicit_padding(&self) -> Result<(), String> {
        match self.text("auto_pad", "NOTSET")? {
            "NOTSET" => Ok(()),
            "VALID" if !self.attributes.contains_key("pads") => Ok(()),
            found => Err(self.expected("`auto_pad`", "NOTSET", found)),
        }
    }
}
