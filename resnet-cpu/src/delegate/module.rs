//! Neural network operations. This crate computes convolutions, and pools and nearest-neighbor
//! resizing of channels-last feature maps. Flex computes the rest.

use burn_backend::ops::{
    AttentionModuleOptions, ConvOptions, ConvTransposeOptions, DeformConv2dBackward,
    DeformConvOptions, InterpolateMode, InterpolateOptions, MaxPool2dBackward,
    MaxPool2dWithIndices, ModuleOps,
};
use burn_backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn_flex::Flex;
use resnet_kernels::pool::Window;

use crate::{Cpu, check, conv, layout, pool};

/// Defines convolutions that check their sizes and call Flex.
macro_rules! checked {
    ($($check:ident $options:ty: $forward:ident $(, $x_backward:ident, $weight_backward:ident)?;)*) => {
        $(
            fn $forward(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Option<FloatTensor<Self>>,
                options: $options,
            ) -> FloatTensor<Self> {
                check::$check(stringify!($forward), [&x, &weight], bias.as_ref(), &options);
                Flex::$forward(x, weight, bias, options)
            }

            $(
                fn $x_backward(
                    x: FloatTensor<Self>,
                    weight: FloatTensor<Self>,
                    output_grad: FloatTensor<Self>,
                    options: $options,
                ) -> FloatTensor<Self> {
                    const NAME: &str = stringify!($x_backward);
                    check::conv_backward(NAME, [&x, &weight, &output_grad], &options);
                    check::x_gradient(NAME, [&x, &weight, &output_grad], &options);
                    Flex::$x_backward(x, weight, output_grad, options)
                }

                fn $weight_backward(
                    x: FloatTensor<Self>,
                    weight: FloatTensor<Self>,
                    output_grad: FloatTensor<Self>,
                    options: $options,
                ) -> FloatTensor<Self> {
                    const NAME: &str = stringify!($weight_backward);
                    check::conv_backward(NAME, [&x, &weight, &output_grad], &options);
                    check::weight_gradient(NAME, [&x, &weight, &output_grad], &options);
                    Flex::$weight_backward(x, weight, output_grad, options)
                }
            )?
        )*
    };
}

/// Creates the window of a pool.
fn window(
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    ceil: bool,
) -> Window {
    Window {
        kernel,
        stride,
        padding,
        dilation,
        ceil,
    }
}

impl ModuleOps<Cpu> for Cpu {
    fn conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        conv::conv2d(x, weight, bias, options)
    }

    fn conv2d_x_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        conv::x_backward(x, weight, output_grad, options)
    }

    fn conv2d_weight_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        conv::weight_backward(x, weight, output_grad, options)
    }

    fn deform_conv2d_backward(
        x: FloatTensor<Self>,
        offset: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        mask: Option<FloatTensor<Self>>,
        bias: Option<FloatTensor<Self>>,
        output_grad: FloatTensor<Self>,
        options: DeformConvOptions<2>,
    ) -> DeformConv2dBackward<Self> {
        let grads =
            Flex::deform_conv2d_backward(x, offset, weight, mask, bias, output_grad, options);
        DeformConv2dBackward::new(
            grads.x_grad,
            grads.offset_grad,
            grads.weight_grad,
            grads.mask_grad,
            grads.bias_grad,
        )
    }

    fn max_pool2d(
        x: FloatTensor<Self>,
        kernel_size: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        dilation: [usize; 2],
        ceil_mode: bool,
    ) -> FloatTensor<Self> {
        let window = window(kernel_size, stride, padding, dilation, ceil_mode);
        check::pool("max_pool2d", &window, &x);
        pool::max_pool2d(&x, window).unwrap_or_else(|| {
            let x = layout::to_channels_first(x);
            Flex::max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode)
        })
    }

    fn avg_pool2d(
        x: FloatTensor<Self>,
        kernel_size: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        count_include_pad: bool,
        ceil_mode: bool,
    ) -> FloatTensor<Self> {
        let window = window(kernel_size, stride, padding, [1, 1], ceil_mode);
        check::pool("avg_pool2d", &window, &x);
        pool::avg_pool2d(&x, window).unwrap_or_else(|| {
            let x = layout::to_channels_first(x);
            Flex::avg_pool2d(
                x,
                kernel_size,
                stride,
                padding,
                count_include_pad,
                ceil_mode,
            )
        })
    }

    fn avg_pool2d_backward(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        kernel_size: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        count_include_pad: bool,
        ceil_mode: bool,
    ) -> FloatTensor<Self> {
        let window = window(kernel_size, stride, padding, [1, 1], ceil_mode);
        check::pool_gradient("avg_pool2d_backward", &window, &x, &grad);
        pool::avg_pool2d_backward(layout::dims(&x), &grad, window).unwrap_or_else(|| {
            Flex::avg_pool2d_backward(
                x,
                grad,
                kernel_size,
                stride,
                padding,
                count_include_pad,
                ceil_mode,
            )
        })
    }

    fn max_pool2d_with_indices(
        x: FloatTensor<Self>,
        kernel_size: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        dilation: [usize; 2],
        ceil_mode: bool,
    ) -> MaxPool2dWithIndices<Self> {
        let window = window(kernel_size, stride, padding, dilation, ceil_mode);
        check::pool("max_pool2d_with_indices", &window, &x);
        if let Some((output, indices)) = pool::max_pool2d_with_indices(&x, window) {
            return MaxPool2dWithIndices::new(output, indices);
        }
        let x = layout::to_channels_first(x);
        let found =
            Flex::max_pool2d_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode);
        MaxPool2dWithIndices::new(found.output, found.indices)
    }

    fn max_pool2d_with_indices_backward(
        x: FloatTensor<Self>,
        kernel_size: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        dilation: [usize; 2],
        ceil_mode: bool,
        output_grad: FloatTensor<Self>,
        indices: IntTensor<Self>,
    ) -> MaxPool2dBackward<Self> {
        const NAME: &str = "max_pool2d_with_indices_backward";
        let window = window(kernel_size, stride, padding, dilation, ceil_mode);
        check::pool_gradient(NAME, &window, &x, &output_grad);
        check::same(NAME, "indices", &indices, output_grad.layout().shape());
        let own = pool::max_pool2d_backward(layout::dims(&x), &output_grad, &indices, window);
        if let Some(x_grad) = own {
            return MaxPool2dBackward::new(x_grad);
        }
        let found = Flex::max_pool2d_with_indices_backward(
            x,
            kernel_size,
            stride,
            padding,
            dilation,
            ceil_mode,
            output_grad,
            indices,
        );
        MaxPool2dBackward::new(found.x_grad)
    }

    fn adaptive_avg_pool2d(x: FloatTensor<Self>, output_size: [usize; 2]) -> FloatTensor<Self> {
        check::resized("adaptive_avg_pool2d", &x, output_size);
        Flex::adaptive_avg_pool2d(x, output_size)
    }

    fn interpolate(
        x: FloatTensor<Self>,
        output_size: [usize; 2],
        options: InterpolateOptions,
    ) -> FloatTensor<Self> {
        check::resized("interpolate", &x, output_size);
        let nearest = matches!(options.mode, InterpolateMode::Nearest);
        let resized = nearest.then(|| pool::nearest(&x, output_size));
        resized
            .flatten()
            .unwrap_or_else(|| Flex::interpolate(x, output_size, options))
    }

    checked! {
        conv ConvOptions<1>: conv1d, conv1d_x_backward, conv1d_weight_backward;
        conv ConvOptions<3>: conv3d, conv3d_x_backward, conv3d_weight_backward;
        conv_transpose ConvTransposeOptions<1>: conv_transpose1d;
        conv_transpose ConvTransposeOptions<2>: conv_transpose2d;
        conv_transpose ConvTransposeOptions<3>: conv_transpose3d;
    }

    delegate! {
        fn embedding(weights: FloatTensor<Self>, indices: IntTensor<Self>) -> FloatTensor<Self>;
        fn embedding_backward(weights: FloatTensor<Self>, output_grad: FloatTensor<Self>, indices: IntTensor<Self>) -> FloatTensor<Self>;
        fn deform_conv2d(x: FloatTensor<Self>, offset: FloatTensor<Self>, weight: FloatTensor<Self>, mask: Option<FloatTensor<Self>>, bias: Option<FloatTensor<Self>>, options: DeformConvOptions<2>) -> FloatTensor<Self>;
        fn adaptive_avg_pool2d_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self>;
        fn interpolate_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>, output_size: [usize; 2], options: InterpolateOptions) -> FloatTensor<Self>;
        fn attention(query: FloatTensor<Self>, key: FloatTensor<Self>, value: FloatTensor<Self>, mask: Option<BoolTensor<Self>>, attn_bias: Option<FloatTensor<Self>>, options: AttentionModuleOptions) -> FloatTensor<Self>;
        fn layer_norm(tensor: FloatTensor<Self>, gamma: FloatTensor<Self>, beta: Option<FloatTensor<Self>>, epsilon: f64) -> FloatTensor<Self>;
        fn rfft(signal: FloatTensor<Self>, dim: usize, n: Option<usize>) -> (FloatTensor<Self>, FloatTensor<Self>);
        fn irfft(spectrum_re: FloatTensor<Self>, spectrum_im: FloatTensor<Self>, dim: usize, n: Option<usize>) -> FloatTensor<Self>;
    }
}
