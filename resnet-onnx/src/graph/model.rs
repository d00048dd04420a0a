//! Converts the protobuf message into nodes, constants, input and output.

use std::collections::{BTreeMap, HashMap};

use onnx_ir::{GraphProto, ModelProto, ValueInfoProto};

use super::constant::Constant;
use super::external::External;
use super::node::{Attribute, Node};
use crate::OnnxError;

/// The oldest supported opset. Exporters have used it since 2017.
const OLDEST_OPSET: i64 = 7;

/// The content of a file, before its names are resolved.
pub(super) struct Model {
    pub(super) nodes: Vec<Node>,
    pub(super) constants: HashMap<String, Constant>,
    pub(super) input: String,
    pub(super) input_shape: [Option<usize>; 4],
    pub(super) output: String,
}

impl Model {
    pub(super) fn new(model: ModelProto, external: &mut External<'_>) -> Result<Self, OnnxError> {
        check_opset(&model)?;
        let graph = model.graph.0;
        let mut graph = *graph.ok_or_else(|| OnnxError::unknown("the file has no graph"))?;

        let mut constants = HashMap::new();
        for tensor in std::mem::take(&mut graph.initializer) {
            let constant = Constant::new(tensor, external)?;
            constants.insert(constant.name.clone(), constant);
        }
        let nodes = nodes(&mut graph, external)?;

        // Files from before 2019 list the initializers as inputs too.
        let mut inputs = graph
            .input
            .into_iter()
            .filter(|input| !constants.contains_key(&input.name));
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Err(OnnxError::unknown("expected one input, an image"));
        };
        let input_shape = input_shape(&input)?;
        let [output] = &graph.output[..] else {
            let found = graph.output.len();
            let cause = format!("expected one output, the logits, found {found}");
            return Err(OnnxError::unknown(cause));
        };
        Ok(Self {
            nodes,
            constants,
            input: input.name,
            input_shape,
            output: output.name.clone(),
        })
    }
}

fn check_opset(model: &ModelProto) -> Result<(), OnnxError> {
    let mut opsets = model.opset_import.iter();
    let opset = opsets.find(|opset| is_standard(&opset.domain));
    match opset.map(|opset| opset.version) {
        Some(OLDEST_OPSET..) => Ok(()),
        Some(version) => Err(OnnxError::unknown(format!(
            "expected opset {OLDEST_OPSET} or later, found {version}"
        ))),
        None => Err(OnnxError::damaged("declares no opset")),
    }
}

/// Moves the nodes out of the graph.
fn nodes(graph: &mut GraphProto, external: &mut External<'_>) -> Result<Vec<Node>, OnnxError> {
    let mut nodes = Vec::with_capacity(graph.node.len());
    for node in std::mem::take(&mut graph.node) {
        let mut attributes = BTreeMap::new();
        for attribute in node.attribute {
            // `AttributeType` of `onnx.proto`.
            let value = match attribute.type_.value() {
                1 => Attribute::Float(attribute.f),
                2 => Attribute::Int(attribute.i),
                3 => Attribute::Text(String::from_utf8_lossy(&attribute.s).into_owned()),
                4 => {
                    let lacking = || OnnxError::damaged("an attribute lacks its tensor");
                    let tensor = attribute.t.0.ok_or_else(lacking)?;
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
    Ok(nodes)
}

/// Returns the dimensions of the input; `None` if dynamic.
fn input_shape(input: &ValueInfoProto) -> Result<[Option<usize>; 4], OnnxError> {
    let mut extents = [None; 4];
    let tensor = input.type_.0.as_ref().filter(|kind| kind.has_tensor_type());
    let Some(shape) = tensor.and_then(|kind| kind.tensor_type().shape.0.as_ref()) else {
        return Ok(extents);
    };
    if shape.dim.len() != 4 {
        let found = shape.dim.len();
        let cause = format!("expected an input of four extents, found {found}");
        return Err(OnnxError::unknown(cause));
    }
    for (extent, dim) in extents.iter_mut().zip(&shape.dim) {
        *extent = usize::try_from(dim.dim_value())
            .ok()
            .filter(|extent| *extent > 0);
    }
    Ok(extents)
}

fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}
