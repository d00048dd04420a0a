//! Batches as tensors.

use burn::backend::{Flex, flex::FlexDevice};
use resnet_image::{
    BatchError, IMAGENET_MEAN, IMAGENET_STD, PreprocessingError, RgbImage, to_tensor,
};

fn batch(images: &[RgbImage]) -> Result<burn::tensor::Tensor<Flex, 4>, BatchError> {
    to_tensor(images, IMAGENET_MEAN, IMAGENET_STD, &FlexDevice)
}

#[test]
fn values_are_planes_of_scaled_pixels() {
    let image = |shift: u8| {
        RgbImage::from_fn(3, 2, |x, y| {
            image::Rgb([(x + 3 * y) as u8 + shift, 100, 255])
        })
    };
    let tensor = batch(&[image(0), image(50)]).unwrap();
    assert_eq!(tensor.dims(), [2, 3, 2, 3]);
    let values: Vec<f32> = tensor.into_data().to_vec().unwrap();
    let normal = |x: f32, c: usize| (x / 255.0 - IMAGENET_MEAN[c]) / IMAGENET_STD[c];
    let plane = |image: usize, channel: usize| &values[(image * 3 + channel) * 6..][..6];
    let ramp = |from: u8| -> Vec<f32> { (from..from + 6).map(|x| normal(x.into(), 0)).collect() };
    assert_eq!(plane(0, 0), ramp(0));
    assert_eq!(plane(1, 0), ramp(50));
    assert_eq!(plane(1, 1), [normal(100.0, 1); 6]);
    assert_eq!(plane(0, 2), [normal(255.0, 2); 6]);
}

/// The bits of `(torch.tensor([0, 1, 127, 255], dtype=torch.uint8).float().div(255) - 0.485) /
/// 0.229`.
#[test]
fn bits_match_torch() {
    let image = RgbImage::from_fn(4, 1, |x, _| image::Rgb([[0, 1, 127, 255][x as usize]; 3]));
    let values: Vec<f32> = batch(&[image]).unwrap().into_data().to_vec().unwrap();
    let bits: Vec<u32> = values[..4].iter().map(|value| value.to_bits()).collect();
    assert_eq!(bits, TORCH_BITS);
}

const TORCH_BITS: [u32; 4] = [0xC007_8BBD, 0xC006_732B, 0x3D69_39A6, 0x400F_EE1D];

#[test]
fn empty_or_invalid_batches_and_different_sizes_are_errors() {
    assert_eq!(batch(&[]).unwrap_err(), BatchError::Empty);
    let error = batch(&[
        RgbImage::new(4, 3),
        RgbImage::new(4, 3),
        RgbImage::new(3, 4),
    ]);
    let error = error.unwrap_err();
    assert_eq!(
        error,
        BatchError::SizeMismatch {
            index: 2,
            expected: (4, 3),
            found: (3, 4)
        }
    );
    assert!(
        error
            .to_string()
            .contains("expected 4x3 pixels as image 0, found 3x4"),
        "{error}"
    );
    let error = batch(&[RgbImage::new(0, 3)]).unwrap_err();
    assert_eq!(
        error,
        BatchError::EmptyImage {
            index: 0,
            width: 0,
            height: 3
        }
    );
    let error = to_tensor::<Flex>(
        &[RgbImage::new(1, 1)],
        [0.0; 3],
        [1.0, 1.0, 0.0],
        &FlexDevice,
    );
    let expected = PreprocessingError::Std {
        channel: 2,
        found: 0.0,
    };
    assert_eq!(error.unwrap_err(), BatchError::Normalisation(expected));
}
