//! The graph of an ONNX file: nodes, who produces a value and who reads it.

use std::collections::{BTreeMap, HashMap, HashSet};

use onnx_ir::ModelProto;

use super::Cause;
use super::constant::Constant;
use super::external::External;
use super::node::{Attribute, Node};

/// A graph of one input and one output, without the nodes that the output does not need and those
/// that hand on what they get.
pub(super) struct Graph {
    nodes: Vec<Node>,
    /// The node that computes a value.
    producers: HashMap<String, usize>,
    /// The nodes that compute with a value; asking for its shape is not counted.
    readers: HashMap<String, Vec<usize>>,
    constants: HashMap<String, Constant>,
    /// Other names of values.
    aliases: HashMap<String, String>,
    pub(super) input: String,
    /// Batch, channels, height and width of the input, as far as the file fixes them.
    pub(super) input_shape: [Option<usize>; 4],
    pub(super) output: String,
}

/// The oldest operators whose attributes are read here; exporters of 2017 and later use them.
const OLDEST_OPSET: i64 = 7;

impl Graph {
    pub(super) fn new(model: ModelProto, external: &mut External<'_>) -> Result<Self, Cause> {
        let opset = model
            .opset_import
            .iter()
            .find(|opset| is_standard(&opset.domain));
        match opset.map(|opset| opset.version) {
            Some(OLDEST_OPSET..) => {}
            Some(version) => {
                return Err(Cause::Other(format!(
                    "expected opset {OLDEST_OPSET} or later, found {version}"
                )));
            }
            None => return Err(Cause::Damaged("names no version of the operators".into())),
        }
        let graph = model
            .graph
            .0
            .ok_or_else(|| Cause::Other("the file has no graph".into()))?;
        let graph = *graph;

        let mut constants = HashMap::new();
        for tensor in graph.initializer {
            let constant = Constant::new(tensor, external)?;
            constants.insert(constant.name.clone(), constant);
        }
        let mut nodes = Vec::with_capacity(graph.node.len());
        for node in graph.node {
            let mut attributes = BTreeMap::new();
            for attribute in node.attribute {
                // `AttributeType` of `onnx.proto`.
                let value = match attribute.type_.value() {
                    1 => Attribute::Float(attribute.f),
                    2 => Attribute::Int(attribute.i),
                    3 => Attribute::Text(String::from_utf8_lossy(&attribute.s).into_owned()),
                    4 => {
                        let tensor = attribute.t.0.ok_or_else(|| {
                            Cause::Damaged("an attribute lacks its tensor".into())
                        })?;
                        Attribute::Tensor(Constant::new(*tensor, external)?)
                    }
                    6 => Attribute::Floats(attribute.floats),
                    7 => Attribute::Ints(attribute.ints),
                    _ => Attribute::Other,
                };
                attributes.insert(attribute.name, value);
            }
            let op = match is_standard(&node.domain) {
                true => node.op_type,
                false => format!("{}::{}", node.domain, node.op_type),
            };
            nodes.push(Node {
                name: node.name,
                op,
                inputs: node.input,
                outputs: node.output,
                attributes,
            });
        }

        // Files of before 2019 list the initialisers as inputs too.
        let mut inputs = graph
            .input
            .into_iter()
            .filter(|input| !constants.contains_key(&input.name));
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Err(Cause::Other("expected one input, an image".into()));
        };
        let tensor = input
            .type_
            .0
            .filter(|kind| kind.has_tensor_type())
            .map(|kind| kind.tensor_type().clone());
        let mut input_shape = [None; 4];
        if let Some(shape) = tensor.and_then(|tensor| tensor.shape.0) {
            if shape.dim.len() != 4 {
                return Err(Cause::Other(format!(
                    "expected an input of four extents, found {}",
                    shape.dim.len()
                )));
            }
            for (extent, dim) in input_shape.iter_mut().zip(&shape.dim) {
                *extent = Some(dim.dim_value())
                    .filter(|extent| *extent > 0)
                    .map(|extent| extent as usize);
            }
        }
        let [output] = &graph.output[..] else {
            let cause = format!(
                "expected one output, the logits, found {}",
                graph.output.len()
            );
            return Err(Cause::Other(cause));
        };

        let mut built = Self {
            nodes,
            producers: HashMap::new(),
            readers: HashMap::new(),
            constants,
            aliases: HashMap::new(),
            input: input.name,
            input_shape,
            output: output.name.clone(),
        };
        built.connect()?;
        built.prune();
        Ok(built)
    }

    /// Resolves every name to the value it stands for, in the order of the nodes.
    fn connect(&mut self) -> Result<(), Cause> {
        let mut known: HashSet<String> = self.constants.keys().cloned().collect();
        known.insert(self.input.clone());
        let mut nodes = std::mem::take(&mut self.nodes);
        for (index, node) in nodes.iter_mut().enumerate() {
            if let Some(input) = node
                .inputs
                .iter()
                .find(|input| !input.is_empty() && !known.contains(*input))
            {
                let fault = format!("reads `{input}`, which nothing before it computes");
                return Err(Cause::Damaged(node.fault(&fault)));
            }
            for input in &mut node.inputs {
                if let Some(value) = self.aliases.get(input) {
                    *input = value.clone();
                }
            }
            for output in node.outputs.iter().filter(|output| !output.is_empty()) {
                if !known.insert(output.clone()) {
                    return Err(Cause::Damaged(
                        node.fault(&format!("computes `{output}`, which is there already")),
                    ));
                }
                self.producers.insert(output.clone(), index);
            }
            let Some(output) = node.outputs.first().cloned() else {
                continue;
            };
            if let Some(input) = self.handed_on(node) {
                self.aliases.insert(output, input);
            } else if let Some(constant) = self.folded(node) {
                self.constants.insert(output, constant);
            }
        }
        self.nodes = nodes;
        if !known.contains(&self.output) {
            return Err(Cause::Damaged(format!(
                "has no node that computes its output `{}`",
                self.output
            )));
        }
        if let Some(value) = self.aliases.get(&self.output) {
            self.output = value.clone();
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
    pub(super) fn readers(&self, value: &str) -> Vec<&Node> {
        self.readers
            .get(value)
            .into_iter()
            .flatten()
            .map(|&index| &self.nodes[index])
            .collect()
    }

    /// The only node that computes with a value.
    pub(super) fn reader(&self, value: &str) -> Option<&Node> {
        match self.readers(value)[..] {
            [node] if value != self.output => Some(node),
            _ => None,
        }
    }

    pub(super) fn producer(&self, value: &str) -> Option<&Node> {
        self.producers.get(value).map(|&index| &self.nodes[index])
    }

    pub(super) fn constant(&self, value: &str) -> Option<&Constant> {
        self.constants.get(value)
    }

    /// The tensor of floats that `node` reads as its input `index`.
    pub(super) fn weights(&self, node: &Node, index: usize) -> Result<&Constant, String> {
        let name = node.input(index)?;
        let constant = self.constants.get(name);
        let constant = constant.ok_or_else(|| {
            node.fault(&format!(
                "expected weights as `{name}`, found a computed value"
            ))
        })?;
        if !constant.is_float() {
            let found = constant
                .dtype
                .map_or("another type".to_string(), |dtype| dtype.to_string());
            return Err(node.fault(&format!(
                "expected floats as `{name}`, found {found}: a quantised network?"
            )));
        }
        Ok(constant)
    }
}

fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}
