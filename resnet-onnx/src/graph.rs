//! Reading: from the bytes of a file to a graph of nodes and constants.
//!
//! The file is read with onnx-ir's types of the format. Its typed graph is not used: it renames the nodes, joins names
//! that differ in case or punctuation, takes a missing epsilon for 0 and panics on graphs that break the specification.

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

/// A graph of one input and one output, without the nodes that the output does not need and those
/// that hand on what they get.
pub(crate) struct Graph {
    nodes: Vec<Node>,
    /// The node that computes a value.
    producers: HashMap<String, usize>,
    /// The nodes that compute with a value; asking for its shape is not counted.
    readers: HashMap<String, Vec<usize>>,
    constants: HashMap<String, Constant>,
    /// Other names of values.
    aliases: HashMap<String, String>,
    pub(crate) input: String,
    /// Batch, channels, height and width of the input, as far as the file fixes them.
    pub(crate) input_shape: [Option<usize>; 4],
    pub(crate) output: String,
}

/// Reads the content of an ONNX file.
pub(crate) fn read(content: Bytes, external: &mut External<'_>) -> Result<Graph, OnnxError> {
    wire::check(&content).map_err(|refusal| match refusal {
        Refusal::CutShort => OnnxError::Truncated,
        Refusal::Damaged(cause) => OnnxError::damaged(format!("it has {cause}")),
        Refusal::TooManyFields => OnnxError::damaged("its graph has more parts than any network"),
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

    /// Resolves every name to the value it stands for, in the order of the nodes.
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
            let fault = format!("reads `{input}`, which nothing before it computes");
            return Err(OnnxError::damaged(node.fault(&fault)));
        }
        for input in &mut node.inputs {
            if let Some(value) = self.aliases.get(input) {
                *input = value.clone();
            }
        }
        for output in node.outputs.iter().filter(|output| !output.is_empty()) {
            if !known.insert(output.clone()) {
                let fault = format!("computes `{output}`, which is there already");
                return Err(OnnxError::damaged(node.fault(&fault)));
            }
            self.producers.insert(output.clone(), index);
        }
        let Some(output) = node.outputs.first().cloned() else {
            return Ok(());
        };
        if let Some(input) = fold::handed_on(node, &self.constants) {
            self.aliases.insert(output, input);
        } else if let Some(constant) = fold::folded(node, &self.constants) {
            self.constants.insert(output, constant);
        }
        Ok(())
    }

    /// Finds who reads a value, among the nodes that the output needs.
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

    /// The nodes that compute with a value, in the order of the file.
    pub(crate) fn readers(&self, value: &str) -> Vec<&Node> {
        self.readers
            .get(value)
            .into_iter()
            .flatten()
            .map(|&index| &self.nodes[index])
            .collect()
    }

    /// The only node that computes with a value.
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

    /// The tensor of floats that `node` reads as its input `index`.
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
                "expected floats as `{name}`, found {found}: a quantised network?"
            )));
        }
        Ok(constant)
    }

    /// The `channels` floats that `node` reads as its input `index`.
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
