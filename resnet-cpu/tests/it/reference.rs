//! Reference convolutions: loops over all outputs and weights, with sizes in `i128` and values in
//! `f64`.

use burn_backend::ops::ConvOptions;
use burn_flex::FlexTensor;

use crate::values;

pub(crate) fn values64(x: &FlexTensor) -> Vec<f64> {
    values(x.clone()).into_iter().map(f64::from).collect()
}

/// Returns the value at a position, or zero outside.
pub(crate) fn at(x: &[f64], sizes: [usize; 4], place: [i128; 4]) -> f64 {
    let mut index = 0;
    for (size, place) in sizes.into_iter().zip(place) {
        match usize::try_from(place) {
            Ok(place) if place < size => index = index * size + place,
            _ => return 0.0,
        }
    }
    x[index]
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) x: [usize; 4],
    pub(crate) weight: [usize; 4],
    pub(crate) options: ConvOptions<2>,
}

impl Case {
    /// Returns whether Burn accepts the options.
    pub(crate) fn is_allowed(&self) -> bool {
        let ConvOptions {
            stride,
            dilation,
            groups,
            ..
        } = &self.options;
        let groups_fit = |groups: usize| {
            self.weight[1].checked_mul(groups) == Some(self.x[1])
                && self.weight[0].is_multiple_of(groups)
        };
        *groups > 0 && groups_fit(*groups) && !stride.contains(&0) && !dilation.contains(&0)
    }

    pub(crate) fn output(&self) -> Option<[i128; 4]> {
        let side = |axis: usize| {
            let [size, kernel, stride, padding, dilation] = [
                self.x[2 + axis],
                self.weight[2 + axis],
                self.options.stride[axis],
                self.options.padding[axis],
                self.options.dilation[axis],
            ]
            .map(|size| size as i128);
            let free = size + 2 * padding - dilation.saturating_mul(kernel - 1) - 1;
            (free >= 0).then(|| free / stride + 1)
        };
        let [n, out] = [self.x[0], self.weight[0]].map(|size| size as i128);
        self.is_allowed()
            .then(|| Some([n, out, side(0)?, side(1)?]))?
    }

    /// Calls `see` with the positions of output, input and weight, for every output and each of its
    /// weights.
    pub(crate) fn each(
        &self,
        output: [i128; 4],
        mut see: impl FnMut([i128; 4], [i128; 4], [i128; 4]),
    ) {
        let ConvOptions {
            stride,
            padding,
            dilation,
            groups,
        } = &self.options;
        let [out, inputs, kh, kw] = self.weight.map(|size| size as i128);
        let of_group = out / *groups as i128;
        let input = |axis: usize, at: i128, tap: i128| {
            let [stride, padding, dilation] =
                [stride, padding, dilation].map(|sides| sides[axis] as i128);
            at * stride + tap * dilation - padding
        };
        let [n, _, h, w] = output;
        for place in
            (0..n * out * h * w).map(|at| [at / w / h / out, at / w / h % out, at / w % h, at % w])
        {
            let [n, o, y, x] = place;
            for weight in (0..inputs * kh * kw).map(|at| [o, at / kw / kh, at / kw % kh, at % kw]) {
                let channel = o / of_group * inputs + weight[1];
                let from = [n, channel, input(0, y, weight[2]), input(1, x, weight[3])];
                see(place, from, weight);
            }
        }
    }
}

/// Returns the index of a position, or `None` outside.
pub(crate) fn index(sizes: [usize; 4], place: [i128; 4]) -> Option<usize> {
    let mut pairs = sizes.into_iter().zip(place);
    pairs.try_fold(0, |index, (size, place)| {
        let place = usize::try_from(place).ok().filter(|place| *place < size)?;
        Some(index * size + place)
    })
}

/// Returns sums of products for every position of a tensor with these sizes.
pub(crate) fn sums(
    case: &Case,
    output: [i128; 4],
    sizes: [usize; 4],
    product: impl Fn([i128; 4], [i128; 4], [i128; 4]) -> (Option<usize>, f64),
) -> Vec<f64> {
    let mut sums = vec![0.0; sizes.iter().product()];
    case.each(output, |place, input, weight| {
        if let (Some(index), product) = product(place, input, weight) {
            sums[index] += product;
        }
    });
    sums
}
