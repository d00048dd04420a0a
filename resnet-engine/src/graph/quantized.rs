//! The steps of a quantized network.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use resnet_core::{ConvPlan, GlobalPool};
use resnet_kernels::int8::Quantization;

use super::{Graph, LayerSpec, Node, Op, Pool, Value, ValueType};

/// How a quantized network adds a residual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// The convolution adds the residual before it rounds.
    Fused,
    /// The convolution rounds, and then the sum does, as in PyTorch. The names of sums end with
    /// `add_relu`, and the global pool keeps integers.
    Separate,
}

impl Graph {
    /// Returns the steps with integers: `is_int8` tells the layers with integers, and `activations`
    /// has the quantization of the values that are integers.
    ///
    /// # Errors
    ///
    /// Returns the name of a value that has no quantization.
    pub(crate) fn quantized(
        &self,
        is_int8: impl Fn(&str) -> bool,
        activations: &BTreeMap<String, Quantization>,
        sums: Sums,
    ) -> Result<Self, String> {
        let mut rewriter = Rewriter {
            source: self,
            activations,
            sums,
            graph: Self {
                nodes: Vec::new(),
                layers: self.layers.clone(),
                channels: vec![self.channels[super::INPUT]],
                types: vec![ValueType::F32],
                names: vec![self.names[super::INPUT].clone()],
                ..self.clone()
            },
            floats: vec![None; self.channels.len()],
            integers: vec![None; self.channels.len()],
        };
        rewriter.floats[super::INPUT] = Some(super::INPUT);
        for node in &self.nodes {
            let int8 = match node.op {
                Op::Conv { layer, .. } | Op::Linear { layer, .. } => {
                    is_int8(self.layers[layer].key())
                }
                _ => false,
            };
            rewriter.node(node, int8)?;
        }
        for (index, map) in self.maps.iter().enumerate() {
            rewriter.graph.maps[index] = rewriter.float(*map)?;
        }
        rewriter.graph.embedding = rewriter.float(self.embedding)?;
        rewriter.graph.logits = match self.logits {
            Some(logits) => Some(rewriter.float(logits)?),
            None => None,
        };
        Ok(rewriter.graph)
    }

    /// Returns the names of the values that a quantized network needs as integers.
    pub(crate) fn integers(&self, is_int8: impl Fn(&str) -> bool) -> Vec<&str> {
        let mut wanted = vec![false; self.channels.len()];
        let of_integers = |op: &Op| match op {
            Op::Conv { layer, .. } | Op::Linear { layer, .. } => is_int8(self.layers[*layer].key()),
            _ => false,
        };
        for Node { op, input, output } in self.nodes.iter().rev() {
            match op {
                op if of_integers(op) => {
                    wanted[*input] = true;
                    if let Op::Conv {
                        residual: Some(residual),
                        ..
                    } = op
                    {
                        wanted[*residual] |= wanted[*output];
                    }
                }
                // These keep integers.
                Op::Pool(Pool::Max { .. }) | Op::ZeroPad { .. } => {
                    wanted[*input] |= wanted[*output];
                    wanted[*output] = false;
                }
                // The last feature map.
                Op::GlobalPool(GlobalPool::Avg) if *output == self.embedding => {
                    let made = self.nodes.iter().find(|node| node.output == *input);
                    wanted[*input] |= made.is_some_and(|node| of_integers(&node.op));
                }
                _ => {}
            }
        }
        let wanted = wanted
            .iter()
            .zip(&self.names)
            .filter(|(wanted, _)| **wanted);
        wanted.map(|(_, name)| name.as_str()).collect()
    }
}

/// Copies steps and changes the types of values.
struct Rewriter<'a> {
    source: &'a Graph,
    activations: &'a BTreeMap<String, Quantization>,
    sums: Sums,
    graph: Graph,
    /// The value of the new graph with the floats of each value.
    floats: Vec<Option<Value>>,
    /// The value of the new graph with the integers of each value.
    integers: Vec<Option<Value>>,
}

impl Rewriter<'_> {
    fn node(&mut self, node: &Node, int8: bool) -> Result<(), String> {
        let Node { op, input, output } = node;
        match op {
            Op::Conv { layer, residual } if int8 => {
                return self.conv(*layer, *input, *residual, *output);
            }
            Op::Linear { layer, relu } if int8 => {
                self.linear_as_conv(*layer, *relu);
                return self.conv(*layer, *input, None, *output);
            }
            Op::Pool(Pool::Max { .. }) | Op::ZeroPad { .. } => {
                if let Some(x) = self.integers_of(*input)? {
                    self.integers[*output] =
                        Some(self.push(op.clone(), x, self.graph.types[x], *output));
                    return Ok(());
                }
            }
            Op::GlobalPool(GlobalPool::Avg) => {
                if let Some(x) = self.integers_of(*input)? {
                    match self.sums {
                        Sums::Fused => {
                            let y = self.push(op.clone(), x, ValueType::F32, *output);
                            self.floats[*output] = Some(y);
                        }
                        Sums::Separate => {
                            let y = self.push(op.clone(), x, self.graph.types[x], *output);
                            self.integers[*output] = Some(y);
                        }
                    }
                    return Ok(());
                }
            }
            _ => {}
        }
        let x = self.float(*input)?;
        let mut op = op.clone();
        match &mut op {
            Op::Conv { residual, .. } | Op::Norm { residual, .. } => self.make_floats(residual)?,
            Op::Gate { gate, residual, .. } => {
                *gate = self.float(*gate)?;
                self.make_floats(residual)?;
            }
            _ => {}
        }
        self.floats[*output] = Some(self.push(op, x, ValueType::F32, *output));
        Ok(())
    }

    /// Appends a convolution of integers.
    fn conv(
        &mut self,
        layer: usize,
        input: Value,
        residual: Option<Value>,
        output: Value,
    ) -> Result<(), String> {
        let x = self.integer(input)?;
        let quantization = self.activations.get(&self.source.names[output]).copied();
        let Some(quantization) = quantization else {
            let mut residual = residual;
            self.make_floats(&mut residual)?;
            let op = Op::Conv { layer, residual };
            self.floats[output] = Some(self.push(op, x, ValueType::F32, output));
            return Ok(());
        };
        let residual = match residual {
            Some(residual) => Some(self.integer(residual)?),
            None => None,
        };
        let integers = match (self.sums, residual) {
            (Sums::Separate, Some(other)) => {
                let of_conv = ValueType::U8(quantization);
                let conv = Op::Conv {
                    layer,
                    residual: None,
                };
                let y = self.push(conv, x, of_conv, output);
                if let LayerSpec::Conv { relu, .. } = &mut self.graph.layers[layer] {
                    *relu = false;
                }
                let sum = self.sum(&self.source.names[output])?;
                self.push(Op::AddRelu { other }, y, ValueType::U8(sum), output)
            }
            _ => {
                let op = Op::Conv { layer, residual };
                self.push(op, x, ValueType::U8(quantization), output)
            }
        };
        self.integers[output] = Some(integers);
        Ok(())
    }

    /// Returns the quantization of the sum after a convolution.
    fn sum(&self, conv: &str) -> Result<Quantization, String> {
        let block = conv.rsplit_once('.').map_or("", |(block, _)| block);
        let names = ["add_relu", "skip_add_relu"].map(|name| alloc::format!("{block}.{name}"));
        let found = names.iter().find_map(|name| self.activations.get(name));
        found.copied().ok_or_else(|| names[0].to_string())
    }

    /// Makes a linear layer a 1x1 convolution.
    fn linear_as_conv(&mut self, layer: usize, relu: bool) {
        if let LayerSpec::Linear {
            key,
            channels: [inputs, outputs],
            ..
        } = &self.graph.layers[layer]
        {
            self.graph.layers[layer] = LayerSpec::Conv {
                key: key.clone(),
                conv: ConvPlan::new(*inputs, *outputs, 1),
                norm: None,
                relu,
            };
        }
    }

    /// Appends a step. Its output has the name of a value of the source.
    fn push(&mut self, op: Op, input: Value, kind: ValueType, named: Value) -> Value {
        let output = self.graph.channels.len();
        self.graph.channels.push(self.source.channels[named]);
        self.graph.types.push(kind);
        let name = match op {
            Op::Quantize | Op::Dequantize => String::new(),
            _ => self.source.names[named].clone(),
        };
        self.graph.names.push(name);
        self.graph.nodes.push(Node { op, input, output });
        output
    }

    /// Returns the floats of a value.
    fn float(&mut self, value: Value) -> Result<Value, String> {
        if let Some(floats) = self.floats[value] {
            return Ok(floats);
        }
        let integers = self.integers[value].ok_or_else(|| self.source.names[value].clone())?;
        let floats = self.push(Op::Dequantize, integers, ValueType::F32, value);
        self.floats[value] = Some(floats);
        Ok(floats)
    }

    fn make_floats(&mut self, value: &mut Option<Value>) -> Result<(), String> {
        if let Some(value) = value {
            *value = self.float(*value)?;
        }
        Ok(())
    }

    /// Returns the integers of a value.
    fn integer(&mut self, value: Value) -> Result<Value, String> {
        let name = &self.source.names[value];
        self.integers_of(value)?.ok_or_else(|| name.clone())
    }

    /// Returns the integers of a value, or `None` if it has no quantization.
    fn integers_of(&mut self, value: Value) -> Result<Option<Value>, String> {
        if let Some(integers) = self.integers[value] {
            return Ok(Some(integers));
        }
        let Some(quantization) = self.activations.get(&self.source.names[value]) else {
            return Ok(None);
        };
        let kind = ValueType::U8(*quantization);
        let floats = self.float(value)?;
        let integers = self.push(Op::Quantize, floats, kind, value);
        self.integers[value] = Some(integers);
        Ok(Some(integers))
    }
}
