//! Operations.

use burn::backend::{Autodiff, Flex};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use resnet_cpu::Cpu;
use resnet_dense::TransformConfig;
use resnet_dense::ops::anchors::{AnchorLevel, AnchorSpec};
use resnet_dense::ops::boxes::{clip, generalized_iou, iou, is_large, scale};
use resnet_dense::ops::coder::{BoxCoder, BoxLinearCoder};
use resnet_dense::ops::keypoints::from_heatmaps;
use resnet_dense::ops::losses;
use resnet_dense::ops::masks::{SoftMask, paste};
use resnet_dense::ops::matcher::{FcosMatcher, Match, Matcher};
use resnet_dense::ops::nms::{batched_nms, nms};
use resnet_dense::ops::resize;
use resnet_dense::ops::roi_align::{Levels, MultiScaleRoiAlign, Roi, RoiAlign};
use serde_json::Value;

use resnet_testing::assert_close;
use resnet_testing::dense::reference::{Array, array, check, find, json, picture};

const TOLERANCE: f64 = 1e-5;

fn op(case: &str, name: &str) -> Array {
    array(&format!("op/{case}/{name}"))
}

fn parameters() -> Vec<(String, Value)> {
    let cases = json("cases.json");
    cases["ops"]
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .collect()
}

fn cases(prefix: &str) -> Vec<(String, Value)> {
    let cases: Vec<_> = parameters()
        .into_iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .collect();
    assert!(!cases.is_empty(), "no case {prefix}");
    cases
}

fn pair(value: &Value) -> [usize; 2] {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn nms_keeps_the_same_boxes() {
    for (case, options) in cases("nms_") {
        let threshold = options["iou_threshold"].as_f64().unwrap();
        let kept = nms(
            &op(&case, "boxes").boxes(),
            &op(&case, "scores").floats(),
            threshold,
        );
        assert_eq!(kept, op(&case, "keep").indices(), "{case}");
    }
}

#[test]
fn batched_nms_keeps_the_same_boxes() {
    for (case, options) in cases("batched_nms_") {
        let threshold = options["iou_threshold"].as_f64().unwrap();
        let groups = op(&case, "groups").indices();
        let (boxes, scores) = (op(&case, "boxes").boxes(), op(&case, "scores").floats());
        let kept = batched_nms(&boxes, &scores, &groups, threshold);
        assert_eq!(kept, op(&case, "keep").indices(), "{case}");
    }
}

fn rois(case: &str) -> Vec<Roi> {
    let rois = op(case, "rois").floats();
    let (rois, _) = rois.as_chunks();
    let roi = |[image, x1, y1, x2, y2]: &[f32; 5]| Roi {
        image: *image as usize,
        corners: [*x1, *y1, *x2, *y2],
    };
    rois.iter().map(roi).collect()
}

fn roi_align(options: &Value) -> RoiAlign {
    RoiAlign {
        output: pair(&options["output_size"]),
        spatial_scale: options["spatial_scale"].as_f64().unwrap() as f32,
        sampling_ratio: options["sampling_ratio"].as_i64().unwrap().max(0) as usize,
        aligned: options["aligned"].as_bool().unwrap(),
    }
}

fn roi_align_on<B: Backend>() {
    let device = B::Device::default();
    for (case, options) in cases("roi_align_")
        .into_iter()
        .filter(|(case, _)| !case.ends_with("gradient"))
    {
        let out =
            roi_align(&options).forward(op(&case, "map").tensor::<B, 4>(&device), &rois(&case));
        check(
            &case,
            &out.into_data().to_vec::<f32>().unwrap(),
            &op(&case, "out"),
            TOLERANCE,
        );
    }
    let boxes = op("multiscale_roi_align", "boxes").boxes();
    let rois: Vec<Roi> = boxes
        .iter()
        .map(|corners| Roi {
            image: 0,
            corners: *corners,
        })
        .collect();
    let maps: Vec<Tensor<B, 4>> = (0..4)
        .map(|i| op("multiscale_roi_align", &format!("map_{i}")).tensor(&device))
        .collect();
    let align = MultiScaleRoiAlign {
        output: 7,
        sampling_ratio: 2,
    };
    let out = align.forward(&maps, &rois, 160);
    check(
        "multiscale_roi_align",
        &out.into_data().to_vec::<f32>().unwrap(),
        &op("multiscale_roi_align", "out"),
        TOLERANCE,
    );
}

#[test]
fn roi_align_resamples_the_same_features() {
    roi_align_on::<Flex>();
    roi_align_on::<Cpu>();
}

fn roi_align_gradient_on<B: Backend>() {
    let device = Default::default();
    let case = "roi_align_gradient";
    let (_, options) = cases(case).remove(0);
    let map = op(case, "map")
        .tensor::<Autodiff<B>, 4>(&device)
        .require_grad();
    let out = roi_align(&options).forward(map.clone(), &rois(case));
    let grads = (out * op(case, "out_gradient").tensor(&device))
        .sum()
        .backward();
    let found: Vec<f32> = map.grad(&grads).unwrap().into_data().to_vec().unwrap();
    check(case, &found, &op(case, "map_gradient"), TOLERANCE);
}

#[test]
fn roi_align_has_the_same_gradient() {
    roi_align_gradient_on::<Flex>();
    roi_align_gradient_on::<Cpu>();
}

#[test]
fn boxes_are_on_the_same_levels() {
    let levels = Levels {
        scales: vec![0.25, 0.125, 0.0625, 0.03125],
    };
    let boxes = op("roi_levels", "boxes").boxes();
    let found: Vec<usize> = boxes.iter().map(|corners| levels.of(*corners)).collect();
    assert_eq!(found, op("roi_levels", "levels").indices());
    let (_, options) = cases("roi_scales").remove(0);
    for row in options["table"].as_array().unwrap() {
        let [height, _] = pair(&row["image_before_padding"]);
        let [padded, _] = pair(&row["padded"]);
        let scales: Vec<f32> = serde_json::from_value(row["scales"].clone()).unwrap();
        let maps = [4, 8, 16, 32].map(|stride| padded / stride);
        assert_eq!(Levels::of_heights(maps, height).scales, scales, "{row}");
    }
}

fn resize_on<B: Backend>() {
    let device = B::Device::default();
    let check_case = |case: &str, found: fn(Tensor<B, 4>, [usize; 2]) -> Tensor<B, 4>| {
        let expected = op(case, "out");
        let size = [expected.shape[2], expected.shape[3]];
        let out = found(op(case, "in").tensor(&device), size);
        assert_eq!(out.dims()[..], expected.shape[..]);
        check(
            case,
            &out.into_data().to_vec::<f32>().unwrap(),
            &expected,
            1e-6,
        );
    };
    for (case, _) in cases("bilinear_") {
        check_case(&case, resize::bilinear);
    }
    for (case, _) in cases("nearest_") {
        check_case(&case, resize::nearest);
    }
    check_case("last_level_max_pool", |x, _| resize::every_second(x));
}

#[test]
fn feature_maps_are_resized_like_in_pytorch() {
    resize_on::<Flex>();
    resize_on::<Cpu>();
}

#[test]
fn masks_are_aligned_on_the_host_like_feature_maps() {
    let (height, width) = (30, 40);
    let mask: Vec<bool> = (0..height * width).map(|i| i * 7 % 11 < 5).collect();
    let values = mask.iter().map(|inside| f32::from(*inside)).collect();
    let values = TensorData::new(values, [1, 1, height, width]);
    let map = Tensor::<Flex, 4>::from_data(values, &Default::default());
    let align = RoiAlign {
        output: [7, 5],
        spatial_scale: 1.0,
        sampling_ratio: 0,
        aligned: false,
    };
    for corners in [
        [3.2, 4.5, 33.3, 21.0],
        [-5.0, -3.0, 60.0, 50.0],
        [7.0, 7.0, 7.5, 7.25],
    ] {
        let roi = Roi { image: 0, corners };
        let expected = align.forward(map.clone(), &[roi]);
        let expected = expected.into_data().to_vec::<f32>().unwrap();
        let found = align.of_mask(&mask, [height, width], corners);
        assert_close("mask", &found, &expected, 1e-6);
    }
}

#[test]
fn fixed_sizes_and_other_paddings_replace_the_usual_ones() {
    let config = TransformConfig {
        fixed_size: Some([50, 30]),
        size_divisible: 20,
        ..TransformConfig::default()
    };
    assert_eq!(config.resized([400, 300], 800), [30, 50]);
    assert_eq!(config.padded([[400, 300], [5, 5]].into_iter()), [40, 60]);
}

#[test]
fn images_are_resized_and_padded_like_in_torchvision() {
    let (_, options) = cases("transform_sizes").remove(0);
    for row in options["table"].as_array().unwrap() {
        let config = TransformConfig {
            max_size: row["max_size"].as_u64().map_or(1333, |size| size as usize),
            ..TransformConfig::default()
        };
        let min_size = row["min_size"].as_u64().map_or(800, |size| size as usize);
        let size = pair(row.get("image").unwrap_or_else(|| panic!("{row}")));
        assert_eq!(
            config.resized(size, min_size),
            pair(&row["resized"]),
            "{row}"
        );
    }
    let (_, options) = cases("transform_batch").remove(0);
    let pictures: Vec<[u64; 3]> = serde_json::from_value(options["pictures"].clone()).unwrap();
    let image = |[seed, height, width]: [u64; 3]| picture(seed, [height as usize, width as usize]);
    let images: Vec<_> = pictures.into_iter().map(image).collect();
    let config = TransformConfig {
        min_size: vec![48],
        max_size: 80,
        ..TransformConfig::default()
    };
    let batch = config.forward::<Flex>(&images, &Default::default());
    assert_eq!(serde_json::json!(batch.sizes), options["image_sizes"]);
    check(
        "transform_batch",
        &batch.images.into_data().to_vec::<f32>().unwrap(),
        &op("transform_batch", "out"),
        5e-6,
    );
    let found = op("resize_boxes", "boxes").boxes();
    let (_, options) = cases("resize_boxes").remove(0);
    let found: Vec<f32> = found
        .iter()
        .flat_map(|corners| scale(*corners, pair(&options["from"]), pair(&options["to"])))
        .collect();
    check("resize_boxes", &found, &op("resize_boxes", "out"), 1e-6);
}

#[test]
fn anchors_are_the_same() {
    for (case, options) in cases("anchors_") {
        let sizes: Vec<Vec<usize>> = serde_json::from_value(options["sizes"].clone()).unwrap();
        let ratios: Vec<Vec<f32>> =
            serde_json::from_value(options["aspect_ratios"].clone()).unwrap();
        let padded = pair(&options["padded"]);
        let grids = options["grids"].as_array().unwrap();
        let mut all = Vec::new();
        for (i, grid) in grids.iter().enumerate() {
            let spec = AnchorSpec {
                sizes: sizes[i].clone(),
                aspect_ratios: ratios[i].clone(),
            };
            let cell = spec.cell().concat();
            check(
                &format!("{case} cell {i}"),
                &cell,
                &op(&case, &format!("cell_{i}")),
                0.0,
            );
            all.extend(AnchorLevel::new(&spec, pair(grid), padded).iter());
        }
        assert_eq!(all.len() as u64, options["count"].as_u64().unwrap());
        let every: Vec<f32> = all.iter().step_by(97).flatten().copied().collect();
        check(
            &format!("{case} every 97th"),
            &every,
            &op(&case, "every_97th"),
            0.0,
        );
        let sums: Vec<f64> = (0..4)
            .map(|side| all.iter().map(|anchor| f64::from(anchor[side])).sum())
            .collect();
        assert_eq!(sums, op(&case, "sum").values);
        if let Some(last) = find(&format!("op/{case}/last_two_levels")) {
            let found = all[all.len() - last.shape[0]..].concat();
            check(&format!("{case} last"), &found, &last, 0.0);
        }
    }
}

#[test]
fn box_codes_are_the_same() {
    for (case, options) in cases("box_coder_") {
        let weights: [f32; 4] = serde_json::from_value(options["weights"].clone()).unwrap();
        let coder = BoxCoder { weights };
        let (targets, anchors) = (
            op(&case, "reference").boxes(),
            op(&case, "proposals").boxes(),
        );
        let codes = targets
            .iter()
            .zip(&anchors)
            .flat_map(|(target, anchor)| coder.encode(*target, *anchor));
        check(
            &format!("{case} encoded"),
            &codes.collect::<Vec<_>>(),
            &op(&case, "encoded"),
            1e-6,
        );
        let codes = op(&case, "codes").boxes();
        let boxes = codes
            .iter()
            .enumerate()
            .flat_map(|(i, code)| coder.decode(*code, anchors[i / 3]));
        check(
            &format!("{case} decoded"),
            &boxes.collect::<Vec<_>>(),
            &op(&case, "decoded"),
            1e-6,
        );
    }
    let case = "box_linear_coder";
    let (targets, anchors) = (op(case, "boxes").boxes(), op(case, "anchors").boxes());
    let codes = targets
        .iter()
        .zip(&anchors)
        .flat_map(|(target, anchor)| BoxLinearCoder.encode(*target, *anchor));
    check(
        "linear encoded",
        &codes.collect::<Vec<_>>(),
        &op(case, "encoded"),
        1e-6,
    );
    let codes = op(case, "codes").boxes();
    let boxes = codes
        .iter()
        .zip(&anchors)
        .flat_map(|(code, anchor)| BoxLinearCoder.decode(*code, *anchor));
    check(
        "linear decoded",
        &boxes.collect::<Vec<_>>(),
        &op(case, "decoded"),
        1e-6,
    );
}

#[test]
fn overlaps_are_the_same() {
    for (case, overlap) in [
        ("box_iou", iou as fn(_, _) -> f32),
        ("generalized_box_iou", generalized_iou),
    ] {
        let (a, b) = (op(case, "a").boxes(), op(case, "b").boxes());
        let found: Vec<f32> = a
            .iter()
            .flat_map(|a| b.iter().map(move |b| overlap(*a, *b)))
            .collect();
        check(case, &found, &op(case, "out"), 1e-6);
    }
    let boxes = op("clip_and_drop", "boxes").boxes();
    let clipped: Vec<_> = boxes
        .iter()
        .map(|corners| clip(*corners, [80, 100]))
        .collect();
    check(
        "clip",
        &clipped.concat(),
        &op("clip_and_drop", "clipped"),
        0.0,
    );
    let kept: Vec<usize> = (0..clipped.len())
        .filter(|i| is_large(clipped[*i], 1e-2))
        .collect();
    assert_eq!(kept, op("clip_and_drop", "kept").indices());
}

#[test]
fn masks_are_pasted_like_in_torchvision() {
    let masks = op("paste_masks", "masks").floats();
    let boxes = op("paste_masks", "boxes").boxes();
    let pasted = boxes.iter().zip(masks.chunks(28 * 28));
    let pasted: Vec<SoftMask> = pasted
        .map(|(corners, mask)| paste(mask, 28, *corners, [60, 90]))
        .collect();
    let values: Vec<f32> = pasted.iter().flat_map(SoftMask::whole).collect();
    check("paste_masks", &values, &op("paste_masks", "out"), 1e-6);
    let counts: Vec<usize> = pasted
        .iter()
        .map(|mask| mask.above(0.5).into_iter().filter(|above| *above).count())
        .collect();
    assert_eq!(counts, op("paste_masks", "counts").indices());
}

#[test]
fn keypoints_are_the_same() {
    let case = "heatmaps_to_keypoints";
    let found = from_heatmaps(&op(case, "maps").floats(), 56, 5, &op(case, "rois").boxes());
    let points: Vec<f32> = found
        .iter()
        .flatten()
        .flat_map(|point| [point.x, point.y, 1.0])
        .collect();
    check("keypoints", &points, &op(case, "keypoints"), 1e-6);
    let scores: Vec<f32> = found.iter().flatten().map(|point| point.score).collect();
    check("keypoint scores", &scores, &op(case, "scores"), TOLERANCE);
}

#[test]
fn candidates_are_matched_like_in_torchvision() {
    for (case, options) in cases("matcher_") {
        let number = |key: &str| options[key].as_f64().unwrap() as f32;
        let matcher = Matcher {
            high: number("high"),
            low: number("low"),
            allow_low_quality: options["allow_low_quality_matches"].as_bool().unwrap(),
        };
        let candidates = op(&case, "candidates").boxes();
        let found = matcher.matches(&op(&case, "truth").boxes(), candidates.iter().copied());
        let code = |found: Match| match found {
            Match::Truth(index) => index as f64,
            Match::Background => -1.0,
            Match::Between => -2.0,
        };
        let found: Vec<f64> = found.into_iter().map(code).collect();
        assert_eq!(found, op(&case, "matches").values, "{case}");
    }
}

#[test]
fn points_of_fcos_are_matched_like_in_torchvision() {
    let case = "fcos_matching";
    let (_, options) = cases(case).remove(0);
    let grids = options["grids"]
        .as_array()
        .unwrap()
        .iter()
        .zip([8, 16, 32, 64, 128]);
    let levels = grids.map(|(grid, size)| {
        let spec = AnchorSpec {
            sizes: vec![size],
            aspect_ratios: vec![1.0],
        };
        AnchorLevel::new(&spec, pair(grid), pair(&options["padded"]))
            .iter()
            .collect()
    });
    let levels: Vec<Vec<_>> = levels.collect();
    let matcher = FcosMatcher {
        center_sampling_radius: 1.5,
    };
    let found = matcher.matches(&op(case, "truth").boxes(), &levels);
    let found: Vec<f64> = found
        .into_iter()
        .map(|truth| truth.map_or(-1.0, |i| i as f64))
        .collect();
    assert_eq!(found, op(case, "matched").values);
}

fn losses_on<B: Backend>() {
    let device = B::Device::default();
    let data = |tensor: Tensor<B, 2>| tensor.into_data().to_vec::<f32>().unwrap();
    let case = "sigmoid_focal_loss";
    let found = losses::sigmoid_focal(
        op(case, "logits").tensor(&device),
        op(case, "targets").tensor(&device),
    );
    check(case, &data(found), &op(case, "out"), 1e-6);
    let a: Tensor<B, 1> = op("smooth_l1", "a").tensor(&device);
    let sum = losses::smooth_l1(a, op("smooth_l1", "b").tensor(&device), 1.0 / 9.0).sum();
    check(
        "smooth_l1",
        &sum.into_data().to_vec::<f32>().unwrap(),
        &op("smooth_l1", "out"),
        1e-6,
    );
    let found = losses::generalized_iou(
        op("giou_loss", "a").tensor(&device),
        op("giou_loss", "b").tensor(&device),
    );
    check("giou_loss", &data(found), &op("giou_loss", "out"), 1e-6);
}

#[test]
fn losses_are_the_same() {
    losses_on::<Flex>();
    losses_on::<Cpu>();
}
