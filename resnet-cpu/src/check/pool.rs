use burn_flex::FlexTensor;

use super::{count, memory, positive, refuse, same, sizes, span};

/// A pool's window.
#[derive(Clone, Copy)]
pub(crate) struct Pool {
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Whether a last window that leaves the map counts.
    pub(crate) ceil: bool,
}

/// A side of a window that may be longer than the map is. Beyond, loops over its taps would not end.
const LONG: usize = 1024;

impl Pool {
    /// The sizes of its output on a map.
    ///
    /// # Panics
    ///
    /// If there is none, or it does not fit into memory.
    pub(crate) fn check(&self, name: &str, x: &FlexTensor) -> Vec<usize> {
        let Self {
            kernel,
            stride,
            padding,
            dilation,
            ..
        } = self;
        positive(
            name,
            &[
                ("a kernel", kernel),
                ("a stride", stride),
                ("a dilation", dilation),
            ],
        );
        let input = sizes(name, "a map", x, 4);
        let side = |axis: usize| {
            let size = input[2 + axis];
            let [kernel, stride, padding, dilation] =
                [kernel, stride, padding, dilation].map(|sides| sides[axis]);
            let places = self.places(axis, size).filter(|_| kernel <= size.max(LONG));
            places.unwrap_or_else(|| {
                refuse(
                    name,
                    format_args!(
                        "expected a kernel of at most {} taps and sizes below 2^63, found {kernel} taps with dilation {dilation} and stride {stride} on {size} values with padding {padding}",
                        size.max(LONG)
                    ),
                )
            })
        };
        let output = vec![input[0], input[1], side(0), side(1)];
        // With places of 64 bits.
        let places = [&output[..], &[2]].concat();
        memory(name, &[x], &[&output, &places]);
        output
    }

    /// How many windows Flex takes. It has one with `ceil` even where none fits.
    fn places(&self, axis: usize, size: usize) -> Option<usize> {
        let [kernel, stride, padding, dilation] =
            [self.kernel, self.stride, self.padding, self.dilation].map(|sides| sides[axis]);
        let padded = size.checked_add(padding.checked_mul(2)?)?;
        let spanned = span(kernel, dilation)?;
        let places = match padded.checked_sub(spanned) {
            None => usize::from(self.ceil),
            Some(free) if self.ceil => free.div_ceil(stride).checked_add(1)?,
            Some(free) => free / stride + 1,
        };
        let last = places.saturating_sub(1).checked_mul(stride)?;
        let end = last.checked_add(spanned)?.max(padded);
        // Flex's places are signed, from the first value of the map on.
        (end.saturating_sub(padding) <= isize::MAX as usize).then_some(places)
    }

    /// Checks the gradient of its output.
    pub(crate) fn check_gradient(&self, name: &str, x: &FlexTensor, grad: &FlexTensor) {
        same(name, "a gradient", grad, &self.check(name, x));
    }
}

/// Checks what a map is made smaller or larger to.
pub(crate) fn resized(name: &str, x: &FlexTensor, size: [usize; 2]) {
    let input = sizes(name, "a map", x, 4);
    let output = [input[0], input[1], size[0], size[1]];
    for (from, to) in input[2..].iter().zip(size) {
        if count(&[*from, to.saturating_add(1)]).is_none() {
            refuse(
                name,
                format_args!("expected sizes that can be counted, found {from} to {to} values"),
            );
        }
    }
    memory(name, &[x], &[&output]);
}
