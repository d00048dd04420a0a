//! The library: input types, logits, embeddings and lazy results.

use std::cell::Cell;
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, backend::Backend};
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, LumaA, Pixel, Rgb, Rgba};
use resnet_core::ResNet;
use resnet_cpu::Cpu;
use resnet_image::{Channels, Pixels, Preprocessing, RgbImage, open_as, to_tensor};
use resnet_infer::{
    BuildError, Classifier, ClassifierBuilder, ImageFailure, ImageInput, Labels, ModelSource,
    PrepareError,
};
use resnet_testing::pairs;

use crate::{checkpoint, fixture};

fn photo() -> String {
    let path = fixture("resnet-infer/sample/chelsea.png");
    path.to_str().unwrap().into()
}

fn classifier() -> Classifier {
    Classifier::pretrained("cifar_resnet20.resnet_zoo_c10").unwrap()
}

/// Creates an untrained classifier for the given channels, without resize and crop.
fn untrained(channels: Channels) -> Classifier {
    let config = resnet_core::Arch::CifarResNet20.config();
    let model: ResNet<Cpu> = config
        .with_in_channels(channels.count())
        .init(&Default::default());
    let mean = vec![0.5; channels.count()];
    let preprocessing = Preprocessing {
        mean: mean[..].try_into().unwrap(),
        std: mean[..].try_into().unwrap(),
        resize: None,
        crop: None,
        ..Preprocessing::cifar()
    };
    let labels = Labels::named("cifar10").unwrap();
    Classifier::new(model, preprocessing, labels, &Default::default()).unwrap()
}

#[test]
fn all_forms_of_an_image_give_the_same_prediction() {
    let photo = photo();
    let rgb = resnet_image::open(&photo).unwrap();
    let bytes = std::fs::read(&photo).unwrap();
    let dynamic = image::load_from_memory(&bytes).unwrap();
    let forms: Vec<ImageInput> = vec![
        photo.as_str().into(),
        photo.clone().into(),
        Path::new(&photo).into(),
        Path::new(&photo).to_path_buf().into(),
        bytes.as_slice().into(),
        bytes.clone().into(),
        (&bytes).into(),
        dynamic.into(),
        (&rgb).into(),
        Pixels::from(rgb.clone()).into(),
        (rgb.width(), rgb.height(), rgb.to_vec()).into(),
        rgb.clone().into(),
    ];
    let classifier = classifier().with_batch_size(1);
    let expected = classifier.classify_one(rgb).unwrap();
    assert_eq!(expected.top[0].label, "cat");
    let found = classifier.classify(&forms).unwrap();
    assert_eq!(found, vec![expected; 12]);
}

/// Creates an image whose columns differ. For 16 bits, the high byte differs from the rounded
/// value.
fn filled<P: Pixel>(sample: impl Fn(u32) -> P::Subpixel) -> ImageBuffer<P, Vec<P::Subpixel>> {
    let channels = u32::from(P::CHANNEL_COUNT);
    ImageBuffer::from_fn(33, 32, |x, y| {
        let samples: Vec<_> = (0..channels)
            .map(|c| sample(x * 7 + y * 3 + c * 50))
            .collect();
        *P::from_slice(&samples)
    })
}

#[test]
fn dynamic_images_are_converted_as_files_are() {
    let eight = |n: u32| (n % 256) as u8;
    let sixteen = |n: u32| ((n * 251) % 65536) as u16 | 0x80;
    let images: [DynamicImage; 8] = [
        filled::<Luma<u8>>(eight).into(),
        filled::<LumaA<u8>>(eight).into(),
        filled::<Rgb<u8>>(eight).into(),
        filled::<Rgba<u8>>(eight).into(),
        filled::<Luma<u16>>(sixteen).into(),
        filled::<LumaA<u16>>(sixteen).into(),
        filled::<Rgb<u16>>(sixteen).into(),
        filled::<Rgba<u16>>(sixteen).into(),
    ];
    let folder = tempfile::tempdir().unwrap();
    for channels in [Channels::Gray, Channels::Rgb, Channels::Rgba] {
        let classifier = untrained(channels);
        for image in &images {
            let path = folder.path().join("image.png");
            image.save(&path).unwrap();
            let from_file = open_as(&path, channels).unwrap();
            let found = classifier.prepare(image).unwrap();
            assert_eq!(found, from_file, "{:?} {channels}", image.color());
            assert_eq!(classifier.prepare(path).unwrap(), from_file);
        }
    }
}

#[test]
fn invalid_inputs_are_named_in_errors() {
    let classifier = classifier();
    let float = DynamicImage::new_rgb32f(32, 32);
    let error = classifier.prepare(float).unwrap_err();
    assert!(matches!(error, PrepareError::Samples { .. }), "{error}");
    for bytes in [11, 13] {
        let error = classifier.prepare((2, 2, vec![0; bytes])).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("expected 12 bytes for 2x2 RGB pixels, found {bytes}")
        );
    }
    let error = classifier.prepare(b"no image").unwrap_err();
    assert!(matches!(error, PrepareError::Decode(_)), "{error}");
    let error = classifier.prepare(GrayImage::new(32, 32)).unwrap_err();
    assert!(matches!(error, PrepareError::Channels { .. }), "{error}");

    let images = [photo(), "no/such.png".into()];
    let error = classifier.classify(&images).unwrap_err();
    assert_eq!(error.to_string(), "image 1 (`no/such.png`)");
    assert_eq!(error.index, 1);
    assert_eq!(error.path.as_deref(), Some(Path::new("no/such.png")));
    assert_eq!(error.source.to_string(), "cannot read `no/such.png`");
    let error = classifier.classify_one(RgbImage::new(0, 3)).unwrap_err();
    assert_eq!(error.to_string(), "image 0");
}

#[test]
fn logits_and_embeddings_are_the_networks() {
    let classifier = classifier();
    let photo = photo();
    let image = classifier.prepare(&photo).unwrap();
    let preprocessing = classifier.preprocessing();
    let device = Default::default();
    let x = to_tensor::<Cpu>(&[image], preprocessing.mean, preprocessing.std, &device).unwrap();
    let source = ModelSource::named("cifar_resnet20.resnet_zoo_c10");
    let (model, _) = source.resolve().unwrap().load::<Cpu>(&device).unwrap();
    let expected = model.forward_all(x);
    let values = |tensor: Tensor<Cpu, 2>| tensor.into_data().to_vec::<f32>().unwrap();
    let [logits, embedding] = [values(expected.logits), values(expected.embedding)];

    let images = [photo.as_str(), photo.as_str()];
    let found = classifier.logits(images).unwrap();
    assert_eq!(found.len(), 2);
    for (a, b) in pairs(&found[0], &logits) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    assert_eq!((logits.len(), found[1].len()), (10, 10));
    let found = classifier.embed(images).unwrap();
    let features = classifier.config().num_features();
    assert_eq!(
        (found.len(), found[0].len(), embedding.len()),
        (2, features, features)
    );
    for (a, b) in pairs(&found[0], &embedding) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    let top = classifier.classify_one(photo).unwrap().top;
    let expected = classifier.activation().probabilities(&logits);
    assert!((top[0].probability - expected[top[0].class]).abs() < 1e-5);
    assert_eq!(top[0].label, classifier.labels().get(top[0].class));
}

#[test]
fn a_dropped_iterator_stops_the_work() {
    let taken = Cell::new(0);
    let images = std::iter::repeat_with(|| {
        taken.set(taken.get() + 1);
        RgbImage::new(32, 32)
    });
    let classifier = classifier().with_batch_size(2);
    let mut results = classifier.classify_iter(images);
    assert_eq!(taken.get(), 0);
    for expected in [2, 2, 4] {
        results.next().unwrap().unwrap();
        assert_eq!(taken.get(), expected);
    }
    drop(results);
    assert_eq!(taken.get(), 4);
}

#[test]
fn a_failed_image_does_not_stop_the_others() {
    let photo = photo();
    let images = [
        photo.as_str(),
        "missing.png",
        &photo,
        &photo,
        "missing too.png",
    ];
    let classifier = classifier().with_batch_size(2);
    let expected = classifier.classify_one(&photo).unwrap().top[0].class;
    let found: Vec<_> = classifier.classify_iter(images).collect();
    let found = found.into_iter().map(|result| match result {
        Ok(prediction) => Ok(prediction.top[0].class),
        Err(error) => Err((error.index, error.path.unwrap())),
    });
    let missing = |index: usize| Err((index, images[index].into()));
    let expected = [
        Ok(expected),
        missing(1),
        Ok(expected),
        Ok(expected),
        missing(4),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

struct Overflow;

impl<B: Backend> ModuleMapper<B> for Overflow {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|values| values * 1e38)
    }
}

#[test]
fn a_non_finite_output_is_an_error_of_each_image() {
    let config = resnet_core::Arch::CifarResNet20.config();
    let model: ResNet<Cpu> = config.init(&Default::default());
    let labels = Labels::named("cifar10").unwrap();
    let device = Default::default();
    let model = model.map(&mut Overflow);
    let classifier = Classifier::new(model, Preprocessing::cifar(), labels, &device).unwrap();
    let found = classifier.classify_iter(vec![RgbImage::from_pixel(32, 32, Rgb([255; 3])); 3]);
    let errors: Vec<_> = found.map(Result::unwrap_err).collect();
    assert_eq!(
        errors.iter().map(|error| error.index).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    for error in errors {
        assert!(matches!(error.source, ImageFailure::NonFinite), "{error:?}");
    }
}

#[test]
fn a_builder_overrides_labels_and_preprocessing() {
    let load = ClassifierBuilder::load;
    let source = || ModelSource::file(checkpoint("good/zip.pth"));
    let names = || (0..10).map(|n| format!("class {n}")).collect::<Labels>();
    let builder = ClassifierBuilder::new(source()).with_labels(names());
    let changed = load(builder.with_preprocessing(Preprocessing::imagenet())).unwrap();
    assert_eq!(changed.labels(), &names());
    assert_eq!(changed.preprocessing(), &Preprocessing::imagenet());

    let few = ["a", "b", "c"].into_iter().collect::<Labels>();
    let refused = load(ClassifierBuilder::new(source()).with_labels(few)).unwrap_err();
    assert!(matches!(refused, BuildError::Labels(_)), "{refused}");

    let refused = load(ClassifierBuilder::new(source().with_arch("resnet18"))).unwrap_err();
    assert!(matches!(refused, BuildError::Source(_)), "{refused}");
}

#[test]
fn a_checkpoint_in_memory_equals_the_file() {
    let file = fixture("weights/embedded/cifar_resnet20.resnet_zoo_c10.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let from_bytes = Classifier::from_bytes("mine", bytes).unwrap();
    let from_file = Classifier::open(file).unwrap();
    assert_eq!(from_bytes.labels(), from_file.labels());
    let photo = photo();
    assert_eq!(
        from_bytes.logits([&photo]).unwrap(),
        from_file.logits([&photo]).unwrap()
    );
    let refused = Classifier::from_bytes("mine", vec![1, 2, 3]).unwrap_err();
    assert!(refused.to_string().contains("mine"), "{refused}");
}
