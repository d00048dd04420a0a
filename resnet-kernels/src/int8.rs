//! Quantized convolutions: unsigned 8-bit activations, signed 8-bit weights, exact 32-bit sums.
//!
//! The value of an activation `q` is `(q - zero_point) * scale`. The value of a weight `w` is
//! `w * scale`, with the scale of its output channel. Every kernel computes the same integers on every
//! processor, for any batch size and number of threads: the sums are exact, and [`Requantize`]
//! multiplies and rounds them in `f32`, half to even.
//!
//! ```
//! use resnet_kernels::conv::{ConvOptions, Geometry, Residual};
//! use resnet_kernels::int8::{Int8Conv, Int8Output, Requantize};
//!
//! let geometry = Geometry::of_conv([1, 4, 1, 1], [2, 4, 1, 1], ConvOptions::default()).unwrap();
//! let conv = Int8Conv::new(geometry).unwrap();
//! let weights = conv.pack(&[1, 2, 3, 4, -1, -2, -3, -4], 100);
//! let requantize = Requantize::new(&[0.0; 2], &[0.5; 2], 10, 0);
//! let mut out = [0; 2];
//! let residual = Residual::None;
//! let output = Int8Output::Bytes { requantize: &requantize, residual, out: &mut out };
//! conv.run_into(&[101, 100, 100, 102], &weights, output);
//! assert_eq!(out, [14, 6]); // The sums 9 and -9; 4.5 becomes 4, -4.5 becomes -4.
//! ```

mod conv;
mod dot;
mod finish;
mod instructions;
mod kernel;
mod lanes;
mod maps;
mod output;
mod requantize;

pub use conv::{Int8Conv, Int8Weights};
pub use instructions::Instructions;
pub use maps::{add_relu, dequantize, global_average, global_mean, max_pool, quantize};
pub use output::Int8Output;
pub use requantize::{Dequantize, Quantization, Requantize};
