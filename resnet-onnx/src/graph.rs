//! Reads an ONNX file into a graph of nodes and constants.
//!
//! This module uses the protobuf types of onnx-ir, but not its typed graph. The typed graph renames
//! nodes, merges names that differ in case or punctuation, reads a missing epsilon as 0, and panics
//! on invalid graphs.

mod constant;
mod element;
mod external;
mod fold;
mod model;
mod node;
mod shapes;
mod wire;

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use onnx_ir::ModelProto;
use protobuf::Message;

pub(crate) use self::constant::Constant;
pub(crate) use self::element::decode;
pub(crate) use self::external::External;
use self::model::Model;
pub(crate) use self::node::Node;
pub(crate) use self::shapes::Extent;
use self::wire::Refusal;
use crate::OnnxError;

/// A graph with one input and one output. It has no unused nodes and no nodes that only forward
/// their input.
pub(crate) struct Graph {
    nodes: Vec<Node>,
    /// The node that computes each value.
    producers: HashMap<String, usize>,
    /// The nodes that compute with each value. `Shape` nodes do not count.
    readers: HashMap<String, Vec<usize>>,
    constants: HashMap<String, Constant>,
    /// Alternative names of values.
    aliases: HashMap<String, String>,
    pub(crate) input: String,
    /// Batch, channels, height and width of the input; `None` if dynamic.
    pub(crate) input_shape: [Option<usize>; 4],
    pub(crate) output: String,
}

/// Reads the content of an ONNX file.
pub(crate) fn read(content: Bytes, external: &mut External<'_>) -> Result<Graph, OnnxError> {
    wire::check(&content).map_err(|refusal| match refusal {
        Refusal::CutShort => OnnxError::Truncated,
        Refusal::Damaged(cause) => OnnxError::damaged(format!("it has {cause}")),
        Refusal::TooManyFields => {
            OnnxError::damaged("its graph has more fields than any known network")
        }
        Refusal::Foreign(found) => OnnxError::unknown(format!("it has {found}")),
    })?;
    let model =
        ModelProto::parse_from_tokio_bytes(&content).map_err(|error| OnnxError::Message {
            source: error.into(),
        })?;
    Graph::new(Model::new(model, external)?)
}

impl Graph {
    fn new(model: Model) -> Result<Self, OnnxError> {
        let mut graph = Self {
            nodes: model.nodes,
            producers: HashMap::new(),
            readers: HashMap::new(),
            constants: model.constants,
            aliases: HashMap::new(),
            input: model.input,
            input_shape: model.input_shape,
            output: model.output,
        };
        graph.connect()?;
        graph.prune();
        Ok(graph)
    }

    /// Resolves all aliases and checks that each value is computed before it is used.
    fn connect(&mut self) -> Result<(), OnnxError> {
        let mut known: HashSet<String> = self.constants.keys().cloned().collect();
        known.insert(self.input.clone());
        let mut nodes = std::mem::take(&mut self.nodes);
        for (index, node) in nodes.iter_mut().enumerate() {
            self.connect_node(index, node, &mut known)?;
        }
        self.nodes = nodes;
        if !known.contains(&self.output) {
            return Err(OnnxError::damaged(format!(
                "has no node that computes its output `{}`",
                self.output
            )));
        }
        if let Some(value) = self.aliases.get(&self.output) {
            self.output = value.clone();
        }
        Ok(())
    }

    fn connect_node(
        &mut self,
        index: usize,
        node: &mut Node,
        known: &mut HashSet<String>,
    ) -> Result<(), OnnxError> {
        let mut inputs = node.inputs.iter().filter(|input| !input.is_empty());
        if let Some(input) = inputs.find(|input| !known.contains(*input)) {
            let fault = format!("reads `{input}`, which no earlier node computes");
            return Err(OnnxError::damaged(node.fault(&fault)));
        }
        for input in &mut node.inputs {
            if let Some(value) = self.aliases.get(input) {
                *input = value.clone();
            }
        }
        for output in node.outputs.iter().filter(|output| !output.is_empty()) {
            if !known.insert(output.clone()) {
                let fault = format!("computes `{output}`, which already exists");
                return Err(OnnxError::damaged(node.fault(&fault)));
            }
            self.producers.insert(output.clone(), index);
        }
        let Some(output) = node.outputs.first().cloned() else {
            return Ok(());
        };
        if let Some(input) = fold::forwarded(node, &self.constants) {
            self.aliases.insert(output, input);
        } else if let Some(constant) = fold::folded(node, &self.constants) {
            self.constants.insert(output, constant);
        }
        Ok(())
    }

    /// Finds the readers of each value among the nodes that contribute to the output.
    fn prune(&mut self) {
        let mut needed = vec![false; self.nodes.len()];
        let mut open: Vec<&str> = vec![&self.output];
        while let Some(value) = open.pop() {
            if self.constants.contains_key(value) {
                continue;
            }
            if let Some(&index) = self.producers.get(value)
                && !std::mem::replace(&mut needed[index], true)
            {
                open.extend(self.nodes[index].inputs.iter().map(String::as_str));
            }
        }
        for (index, node) in self
            .nodes
            .iter()
            .enumerate()
            .filter(|(index, _)| needed[*index])
        {
            if node.op == "Shape"
                || node
                    .outputs
                    .first()
                    .is_some_and(|output| self.aliases.contains_key(output))
            {
                continue;
            }
            for input in &node.inputs {
                let readers = self.readers.entry(input.clone()).or_default();
                if readers.last() != Some(&index) {
                    readers.push(index);
                }
            }
        }
    }

    /// Returns the nodes that compute with a value, in file order.
    pub(crate) fn readers(&self, value: &str) -> Vec<&Node> {
        self.readers
            .get(value)
            .into_iter()
            .flatten()
            .map(|&index| &self.nodes[index])
            .collect()
    }

    /// Returns the only node that computes with a value.
    pub(crate) fn reader(&self, value: &str) -> Option<&Node> {
        match self.readers(value)[..] {
            [node] if value != self.output => Some(node),
            _ => None,
        }
    }

    pub(crate) fn producer(&self, value: &str) -> Option<&Node> {
        self.producers.get(value).map(|&index| &self.nodes[index])
    }

    pub(crate) fn constant(&self, value: &str) -> Option<&Constant> {
        self.constants.get(value)
    }

    /// Returns the float tensor that `node` reads as input `index`.
    pub(crate) fn weights(&self, node: &Node, index: usize) -> Result<&Constant, String> {
        let name = node.input(index)?;
        let constant = self.constants.get(name);
        let constant = constant.ok_or_else(|| {
            node.fault(&format!(
                "expected weights as `{name}`, found a computed value"
            ))
        })?;
        if !constant.is_float() {
            let found = constant.dtype.map_or("another type", element::torch_name);
            return Err(node.fault(&format!(
                "expected floats as `{name}`, found {found}: a quantized network?"
            )));
        }
        Ok(constant)
    }

    /// Returns the vector of `channels` floats that `node` reads as input `index`.
    pub(crate) fn vector(
        &self,
        node: &Node,
        index: usize,
        channels: usize,
    ) -> Result<&Constant, String> {
        let vector = self.weights(node, index)?;
        match vector.shape[..] {
            [found] if found == channels => Ok(vector),
            _ => Err(node.expected(
                &format!("input {index} of the shape"),
                [channels],
                &vector.shape,
            )),
        }
    }
}
