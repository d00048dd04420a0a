//! Sizes of feature maps and windows, computed without overflow.

/// The sizes of a feature map: batch, channels, height and width.
pub type Dims = [usize; 4];

/// Returns the number of values of a tensor with these sizes, or `None` if it overflows.
pub fn count(sizes: &[usize]) -> Option<usize> {
    if sizes.contains(&0) {
        return Some(0);
    }
    let product = |product: usize, size: &usize| product.checked_mul(*size);
    sizes.iter().try_fold(1, product)
}

/// Returns the number of window positions along an axis. Returns `None` if the window does not fit
/// or a size overflows.
pub fn places(
    size: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
) -> Option<usize> {
    let padded = size.checked_add(padding.checked_mul(2)?)?;
    let free = padded.checked_sub(span(kernel, dilation)?)?;
    free.checked_div(stride)?.checked_add(1)
}

/// Returns the number of values from the first to the last tap of a window.
pub fn span(kernel: usize, dilation: usize) -> Option<usize> {
    kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)
}
