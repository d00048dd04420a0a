//! The table of torchvision's named networks.

use std::fmt;
use std::str::FromStr;

use resnet_core::Arch;
use serde::{Deserialize, Serialize};

use crate::SegmentationHead::{DeepLabV3, Fcn};
use crate::{
    DenseConfig, FcosConfig, RcnnConfig, RetinaNetConfig, SegmentationConfig, SegmentationHead,
};

/// COCO's category ids are 1 to 90; torchvision's networks have an output for each and for 0.
const COCO: usize = 91;

macro_rules! archs {
    ($($arch:ident => $name:literal, $config:expr;)*) => {
        /// A network of torchvision for detection or segmentation.
        ///
        /// ```
        /// use resnet_dense::DenseArch;
        ///
        /// let arch: DenseArch = "maskrcnn_resnet50_fpn".parse()?;
        /// assert_eq!(arch, DenseArch::MaskRcnnResNet50Fpn);
        /// assert_eq!(arch.config().num_classes(), 91);
        /// # Ok::<(), resnet_dense::UnknownDenseArch>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum DenseArch {
            $(#[doc = concat!("`", $name, "`")] #[serde(rename = $name)] $arch,)*
        }

        impl DenseArch {
            /// Every network, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$arch),*];

            /// Returns torchvision's name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$arch => $name),* }
            }

            /// Returns the config, with the classes of the published weights: 91 for COCO, 21 for
            /// Pascal VOC, 2 for persons with keypoints.
            pub fn config(self) -> DenseConfig {
                match self { $(Self::$arch => $config.into()),* }
            }
        }
    };
}

archs! {
    FcnResNet50 => "fcn_resnet50", segmentation(Fcn, Arch::ResNet50);
    FcnResNet101 => "fcn_resnet101", segmentation(Fcn, Arch::ResNet101);
    DeepLabV3ResNet50 => "deeplabv3_resnet50", segmentation(DeepLabV3, Arch::ResNet50);
    DeepLabV3ResNet101 => "deeplabv3_resnet101", segmentation(DeepLabV3, Arch::ResNet101);
    FasterRcnnResNet50Fpn => "fasterrcnn_resnet50_fpn", RcnnConfig::faster_rcnn_resnet50(COCO);
    FasterRcnnResNet50FpnV2 => "fasterrcnn_resnet50_fpn_v2", RcnnConfig::faster_rcnn_resnet50_v2(COCO);
    MaskRcnnResNet50Fpn => "maskrcnn_resnet50_fpn", RcnnConfig::faster_rcnn_resnet50(COCO).with_masks();
    MaskRcnnResNet50FpnV2 => "maskrcnn_resnet50_fpn_v2", RcnnConfig::faster_rcnn_resnet50_v2(COCO).with_masks();
    KeypointRcnnResNet50Fpn => "keypointrcnn_resnet50_fpn", RcnnConfig::faster_rcnn_resnet50(2).with_keypoints(17);
    RetinaNetResNet50Fpn => "retinanet_resnet50_fpn", RetinaNetConfig::resnet50(COCO);
    RetinaNetResNet50FpnV2 => "retinanet_resnet50_fpn_v2", RetinaNetConfig::resnet50_v2(COCO);
    FcosResNet50Fpn => "fcos_resnet50_fpn", FcosConfig::resnet50(COCO);
}

fn segmentation(head: SegmentationHead, arch: Arch) -> SegmentationConfig {
    SegmentationConfig::new(head, arch.config())
}

/// The error for an unknown name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown detector or segmentation network `{name}`: expected one of {}",
    names()
)]
pub struct UnknownDenseArch {
    /// The requested name.
    pub name: String,
}

fn names() -> String {
    let names: Vec<&str> = DenseArch::ALL.iter().map(|arch| arch.name()).collect();
    names.join(", ")
}

impl fmt::Display for DenseArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DenseArch {
    type Err = UnknownDenseArch;

    fn from_str(name: &str) -> Result<Self, UnknownDenseArch> {
        let found = Self::ALL.iter().find(|arch| arch.name() == name);
        found
            .copied()
            .ok_or_else(|| UnknownDenseArch { name: name.into() })
    }
}
