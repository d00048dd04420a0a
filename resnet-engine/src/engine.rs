//! Compiled networks.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use resnet_core::{ResNetConfig, StemKind};
use resnet_kernels::conv::Conv;

use crate::graph::{Graph, LayerSpec, Node, Op, ValueType};
use crate::layers::{ConvLayer, Int8Layer, Layer, Reader, StateDict, Types};
use crate::plan::dims_of_values;
use crate::{CompileError, CompileOptions, MemoryMode, MissingTensor, QuantizedNetwork, Session};

/// A compiled network: the steps of a [`ResNetConfig`] and its packed weights.
///
/// An engine is `Send` and `Sync`, and a clone shares the weights. Each thread runs its own
/// [`Session`].
///
/// ```
/// use resnet_core::Arch;
/// use resnet_engine::{Batch, Engine, Outputs, Precision};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let state_dict = |_: &str, shape: &[usize]| Ok::<_, std::io::Error>(vec![0.5; shape.iter().product()]);
/// let engine = Engine::compile(&Arch::TestResNet.config(), state_dict, Precision::F32)?;
/// let mut session = engine.session();
/// let pixels = vec![0.0; 2 * 3 * 64 * 64];
/// let images = Batch::channels_first(&pixels, [2, 3, 64, 64]);
/// let results = session.run(images, Outputs { c2: true, ..Outputs::LOGITS })?;
/// assert_eq!(results.logits().unwrap().len(), 2 * engine.config().num_classes);
/// assert_eq!(results.map(2).unwrap().dims()[0], 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    config: ResNetConfig,
    graph: Graph,
    layers: Vec<Layer>,
}

impl Engine {
    /// Compiles a network. Reads one tensor after the other and keeps only packed weights.
    ///
    /// Batch norms that follow a convolution are folded into it.
    ///
    /// # Errors
    ///
    /// Returns an error if the config is invalid, a tensor is missing or has a wrong size, or the
    /// network does not fit into memory.
    pub fn compile<S: StateDict>(
        config: &ResNetConfig,
        mut state: S,
        options: impl Into<CompileOptions>,
    ) -> Result<Self, CompileError<S::Error>> {
        config.validate()?;
        let options = options.into();
        let graph = Graph::new(config);
        let convs = expected_convs(config, &graph, &options);
        let mut reader = Reader {
            state: &mut state,
            epsilon: config.norm_eps,
            precision: options.precision,
        };
        let mut layers = Vec::with_capacity(graph.layers.len());
        for (spec, conv) in graph.layers.iter().zip(convs) {
            layers.push(reader.layer(spec, conv)?);
        }
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            graph,
            layers,
        })))
    }

    /// Compiles a quantized network. Frees each layer once it is packed.
    ///
    /// # Errors
    ///
    /// Returns an error if the config is invalid, a tensor or scale is missing or has a wrong size,
    /// or the network does not fit into memory.
    pub fn compile_quantized(
        network: QuantizedNetwork,
        options: impl Into<CompileOptions>,
    ) -> Result<Self, CompileError<MissingTensor>> {
        network.check()?;
        let QuantizedNetwork {
            config,
            sums,
            mut layers,
            activations,
            mut tensors,
        } = network;
        config.validate()?;
        let graph = Graph::new(&config)
            .quantized(|key| layers.contains_key(key), &activations, sums)
            .map_err(|name| CompileError::NoScale { name })?;
        let options = options.into();
        let convs = expected_convs(&config, &graph, &options);
        let mut state = |key: &str, _: &[usize]| tensors.remove(key).ok_or(MissingTensor);
        let mut reader = Reader {
            state: &mut state,
            epsilon: config.norm_eps,
            precision: options.precision,
        };
        let mut compiled = Vec::with_capacity(graph.layers.len());
        for (index, (spec, conv)) in graph.layers.iter().zip(convs).enumerate() {
            compiled.push(match (layers.remove(spec.key()), spec) {
                (
                    Some(layer),
                    LayerSpec::Conv {
                        key, conv, relu, ..
                    },
                ) => {
                    let types = graph
                        .types_of(index)
                        .ok_or_else(|| CompileError::NoScale { name: key.clone() })?;
                    Layer::Int8(Int8Layer::new(key, *conv, &layer, &types, *relu)?)
                }
                _ => reader.layer(spec, conv)?,
            });
        }
        Ok(Self(Arc::new(Inner {
            config,
            graph,
            layers: compiled,
        })))
    }

    /// Creates a session, which has the memory of one run.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// Returns the config.
    pub fn config(&self) -> &ResNetConfig {
        &self.0.config
    }

    /// Returns the size of the packed weights in bytes.
    pub fn weight_bytes(&self) -> usize {
        self.0.layers.iter().map(Layer::bytes).sum()
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.0.graph
    }

    pub(crate) fn layers(&self) -> &[Layer] {
        &self.0.layers
    }
}

impl Graph {
    /// Returns the types of the values of a layer with integers.
    fn types_of(&self, layer: usize) -> Option<Types> {
        self.nodes
            .iter()
            .find_map(|Node { op, input, output }| match op {
                Op::Conv {
                    layer: of_node,
                    residual,
                } if *of_node == layer => {
                    let ValueType::U8(input) = self.types[*input] else {
                        return None;
                    };
                    Some(Types {
                        input,
                        residual: residual.map(|value| self.types[value]),
                        output: self.types[*output],
                    })
                }
                _ => None,
            })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("config", self.config())
            .field("weight_bytes", &self.weight_bytes())
            .finish_non_exhaustive()
    }
}

/// Returns the convolution of each layer that is one, with the algorithm for the expected images.
fn expected_convs(
    config: &ResNetConfig,
    graph: &Graph,
    options: &CompileOptions,
) -> Vec<Option<Conv>> {
    let size = options.size.unwrap_or(match config.stem {
        StemKind::Conv3x3 { .. } => [32, 32],
        _ => [224, 224],
    });
    let fits = options.batch > 0 && config.check_input(size).is_ok();
    let input = [options.batch, config.in_channels, size[0], size[1]];
    let dims = fits.then(|| dims_of_values(graph, input));
    let mut convs = vec![None; graph.layers.len()];
    for node in &graph.nodes {
        let Op::Conv { layer, .. } = node.op else {
            continue;
        };
        let LayerSpec::Conv { conv: plan, .. } = graph.layers[layer] else {
            continue;
        };
        let expected = dims.as_ref().and_then(|dims| {
            let geometry = ConvLayer::geometry(plan, dims[node.input])?;
            Some(match options.memory {
                MemoryMode::Fast => Conv::fastest(geometry),
                MemoryMode::Low => Conv::direct(geometry),
            })
        });
        // If the expected images do not fit, the smallest input serves to pack the weights.
        convs[layer] = expected.or_else(|| ConvLayer::smallest(plan).map(Conv::direct));
    }
    convs
}
