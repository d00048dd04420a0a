//! The table of published dense weights: torchvision 0.24.

use std::sync::LazyLock;

use resnet_dense::DenseArch::{self, *};

use super::LabelSet::{self, Coco91, Person, Voc21};
use super::{DenseMetrics, DenseWeights};
use crate::{License, Source};

static ALL: LazyLock<Vec<DenseWeights>> = LazyLock::new(|| ROWS.iter().map(weights).collect());

pub(super) fn all() -> &'static [DenseWeights] {
    &ALL
}

struct Row {
    arch: DenseArch,
    torchvision: &'static str,
    file: &'static str,
    classes: LabelSet,
    metrics: DenseMetrics,
    parameters: u64,
    gmacs: f64,
    mib: f64,
    norm_eps: f64,
}

const NONE: DenseMetrics = DenseMetrics::NONE;

const fn boxes(ap: f64) -> DenseMetrics {
    DenseMetrics {
        box_ap: Some(ap),
        ..NONE
    }
}

const fn masks(box_ap: f64, mask_ap: f64) -> DenseMetrics {
    DenseMetrics {
        mask_ap: Some(mask_ap),
        ..boxes(box_ap)
    }
}

const fn keypoints(box_ap: f64, keypoint_ap: f64) -> DenseMetrics {
    DenseMetrics {
        keypoint_ap: Some(keypoint_ap),
        ..boxes(box_ap)
    }
}

const fn pixels(mean_iou: f64, pixel_accuracy: f64) -> DenseMetrics {
    DenseMetrics {
        mean_iou: Some(mean_iou),
        pixel_accuracy: Some(pixel_accuracy),
        ..NONE
    }
}

macro_rules! rows {
    ($($arch:ident $torchvision:literal $file:literal, $classes:ident, $metrics:expr,
        $parameters:literal parameters, $gmacs:literal GMACs, $mib:literal MiB, eps $eps:literal;)*) => {
        const ROWS: &[Row] = &[$(Row {
            arch: $arch,
            torchvision: $torchvision,
            file: $file,
            classes: $classes,
            metrics: $metrics,
            parameters: $parameters,
            gmacs: $gmacs,
            mib: $mib,
            norm_eps: $eps,
        }),*];
    };
}

// When torchvision loads these COCO_V1 weights of version 1, it sets the epsilon of the frozen norms
// to 0 (`overwrite_eps`).
rows! {
    FcnResNet50 "FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1" "fcn_resnet50_coco-1167a1af.pth",
        Voc21, pixels(60.5, 91.4), 35_322_218 parameters, 152.717 GMACs, 135.009 MiB, eps 1e-5;
    FcnResNet101 "FCN_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1" "fcn_resnet101_coco-7ecb50ca.pth",
        Voc21, pixels(63.7, 91.9), 54_314_346 parameters, 232.738 GMACs, 207.711 MiB, eps 1e-5;
    DeepLabV3ResNet50 "DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1" "deeplabv3_resnet50_coco-cd0a2569.pth",
        Voc21, pixels(66.4, 92.4), 42_004_074 parameters, 178.722 GMACs, 160.515 MiB, eps 1e-5;
    DeepLabV3ResNet101 "DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1" "deeplabv3_resnet101_coco-586e9e4e.pth",
        Voc21, pixels(67.4, 92.4), 60_996_202 parameters, 258.743 GMACs, 233.217 MiB, eps 1e-5;
    FasterRcnnResNet50Fpn "FasterRCNN_ResNet50_FPN_Weights.COCO_V1" "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
        Coco91, boxes(37.0), 41_755_286 parameters, 134.38 GMACs, 159.743 MiB, eps 0.0;
    FasterRcnnResNet50FpnV2 "FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1" "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        Coco91, boxes(46.7), 43_712_278 parameters, 280.371 GMACs, 167.104 MiB, eps 1e-5;
    MaskRcnnResNet50Fpn "MaskRCNN_ResNet50_FPN_Weights.COCO_V1" "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        Coco91, masks(37.9, 34.6), 44_401_393 parameters, 134.38 GMACs, 169.84 MiB, eps 0.0;
    MaskRcnnResNet50FpnV2 "MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1" "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        Coco91, masks(47.4, 41.8), 46_359_409 parameters, 333.577 GMACs, 177.219 MiB, eps 1e-5;
    KeypointRcnnResNet50Fpn "KeypointRCNN_ResNet50_FPN_Weights.COCO_V1" "keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
        Person, keypoints(54.6, 65.0), 59_137_258 parameters, 137.42 GMACs, 226.054 MiB, eps 0.0;
    KeypointRcnnResNet50Fpn "KeypointRCNN_ResNet50_FPN_Weights.COCO_LEGACY" "keypointrcnn_resnet50_fpn_coco-9f466800.pth",
        Person, keypoints(50.6, 61.1), 59_137_258 parameters, 133.924 GMACs, 226.054 MiB, eps 1e-5;
    RetinaNetResNet50Fpn "RetinaNet_ResNet50_FPN_Weights.COCO_V1" "retinanet_resnet50_fpn_coco-eeacb38b.pth",
        Coco91, boxes(36.4), 34_014_999 parameters, 151.54 GMACs, 130.267 MiB, eps 0.0;
    RetinaNetResNet50FpnV2 "RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1" "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth",
        Coco91, boxes(41.5), 38_198_935 parameters, 152.238 GMACs, 146.037 MiB, eps 1e-5;
    FcosResNet50Fpn "FCOS_ResNet50_FPN_Weights.COCO_V1" "fcos_resnet50_fpn_coco-99b0c9b7.pth",
        Coco91, boxes(39.2), 32_269_600 parameters, 128.207 GMACs, 123.608 MiB, eps 1e-5;
}

fn weights(row: &Row) -> DenseWeights {
    let (_, version) = row.torchvision.split_once('.').unwrap_or_default();
    let hash = row.file.rsplit_once('-').map_or("", |(_, end)| end);
    let sha256 = hash.trim_end_matches(".pth").to_string();
    let url = format!("https://download.pytorch.org/models/{}", row.file);
    DenseWeights {
        id: format!("{}.{}", row.arch, version.to_lowercase()),
        torchvision: row.torchvision.into(),
        arch: row.arch,
        default: version != "COCO_LEGACY",
        sources: vec![Source::Url { url, sha256 }],
        mib: row.mib,
        classes: row.classes,
        license: License::Bsd3,
        parameters: row.parameters,
        gmacs: row.gmacs,
        norm_eps: row.norm_eps,
        metrics: row.metrics,
    }
}
