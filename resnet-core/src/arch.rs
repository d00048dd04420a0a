//! The table of named networks, one row per network.

use serde::{Deserialize, Serialize};

use crate::ShortcutKind::{AvgPoolProjection, Projection, ZeroPad};
use crate::{
    AntiAlias, AttentionKind, BlockKind, NormKind, ResNetConfig, StageConfig, StemKind, StemPool,
};

macro_rules! archs {
    ($($arch:ident => $name:literal, $config:expr;)*) => {
        /// A named network.
        ///
        /// Names follow timm. Networks of the CIFAR papers, for images of 32x32 pixels, start with
        /// `cifar_`.
        ///
        /// ```
        /// use resnet_core::Arch;
        ///
        /// let arch: Arch = "resnext50_32x4d".parse()?;
        /// assert_eq!(arch, Arch::ResNeXt50_32x4d);
        /// assert_eq!(arch.to_string(), "resnext50_32x4d");
        /// assert_eq!(arch.config().cardinality, 32);
        /// # Ok::<(), resnet_core::UnknownArch>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[allow(non_camel_case_types, reason = "`ResNeXt50_32x4d` reads better than `ResNeXt5032x4d`")]
        pub enum Arch {
            $(#[doc = concat!("`", $name, "`")] #[serde(rename = $name)] $arch,)*
        }

        impl Arch {
            /// Every named network, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$arch),*];

            /// Returns the name, as timm spells it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$arch => $name),* }
            }

            /// Returns the config of the network, with 1000 classes (10 for CIFAR) and 3 input
            /// channels.
            pub fn config(self) -> ResNetConfig {
                match self { $(Self::$arch => $config),* }
            }
        }
    };
}

// The suffixes c, d, s and t follow timm: each names a stem and a shortcut. See `Letters`.
archs! {
    ResNet10t => "resnet10t", basic([1, 1, 1, 1]).t();
    ResNet14t => "resnet14t", bottleneck([1, 1, 1, 1]).t();
    ResNet18 => "resnet18", basic([2, 2, 2, 2]);
    ResNet18d => "resnet18d", basic([2, 2, 2, 2]).d();
    ResNet26 => "resnet26", bottleneck([2, 2, 2, 2]);
    ResNet26d => "resnet26d", bottleneck([2, 2, 2, 2]).d();
    ResNet26t => "resnet26t", bottleneck([2, 2, 2, 2]).t();
    ResNet34 => "resnet34", basic([3, 4, 6, 3]);
    ResNet34d => "resnet34d", basic([3, 4, 6, 3]).d();
    ResNet50 => "resnet50", bottleneck([3, 4, 6, 3]);
    ResNet50c => "resnet50c", bottleneck([3, 4, 6, 3]).c();
    ResNet50d => "resnet50d", bottleneck([3, 4, 6, 3]).d();
    ResNet50s => "resnet50s", bottleneck([3, 4, 6, 3]).s();
    ResNet50t => "resnet50t", bottleneck([3, 4, 6, 3]).t();
    ResNet101 => "resnet101", bottleneck([3, 4, 23, 3]);
    ResNet101c => "resnet101c", bottleneck([3, 4, 23, 3]).c();
    ResNet101d => "resnet101d", bottleneck([3, 4, 23, 3]).d();
    ResNet101s => "resnet101s", bottleneck([3, 4, 23, 3]).s();
    ResNet152 => "resnet152", bottleneck([3, 8, 36, 3]);
    ResNet152c => "resnet152c", bottleneck([3, 8, 36, 3]).c();
    ResNet152d => "resnet152d", bottleneck([3, 8, 36, 3]).d();
    ResNet152s => "resnet152s", bottleneck([3, 8, 36, 3]).s();
    ResNet200 => "resnet200", bottleneck([3, 24, 36, 3]);
    ResNet200d => "resnet200d", bottleneck([3, 24, 36, 3]).d();
    ResNet50Gn => "resnet50_gn", bottleneck([3, 4, 6, 3]).with_norm(NormKind::Group { groups: 32 });
    ResNetAa50 => "resnetaa50", bottleneck([3, 4, 6, 3]).aa();
    ResNetBlur50 => "resnetblur50", bottleneck([3, 4, 6, 3]).blur();
    ResNetAa50d => "resnetaa50d", bottleneck([3, 4, 6, 3]).d().aa();
    ResNetAa34d => "resnetaa34d", basic([3, 4, 6, 3]).d().aa();
    ResNetAa101d => "resnetaa101d", bottleneck([3, 4, 23, 3]).d().aa();
    ResNetBlur18 => "resnetblur18", basic([2, 2, 2, 2]).blur();
    ResNetBlur101d => "resnetblur101d", bottleneck([3, 4, 23, 3]).d().blur();
    ResNetBlur50d => "resnetblur50d", bottleneck([3, 4, 6, 3]).d().blur();
    TestResNet => "test_resnet", test_resnet();
    ResNeXt50_32x4d => "resnext50_32x4d", bottleneck([3, 4, 6, 3]).groups(32, 4);
    ResNeXt50d_32x4d => "resnext50d_32x4d", bottleneck([3, 4, 6, 3]).d().groups(32, 4);
    ResNeXt101_32x4d => "resnext101_32x4d", bottleneck([3, 4, 23, 3]).groups(32, 4);
    ResNeXt101_32x8d => "resnext101_32x8d", bottleneck([3, 4, 23, 3]).groups(32, 8);
    ResNeXt101_64x4d => "resnext101_64x4d", bottleneck([3, 4, 23, 3]).groups(64, 4);
    ResNeXt101_32x16d => "resnext101_32x16d", bottleneck([3, 4, 23, 3]).groups(32, 16);
    ResNeXt101_32x32d => "resnext101_32x32d", bottleneck([3, 4, 23, 3]).groups(32, 32);
    ResNeXt101_32x48d => "resnext101_32x48d", bottleneck([3, 4, 23, 3]).groups(32, 48);
    WideResNet50_2 => "wide_resnet50_2", bottleneck([3, 4, 6, 3]).groups(1, 128);
    WideResNet101_2 => "wide_resnet101_2", bottleneck([3, 4, 23, 3]).groups(1, 128);
    SeResNet18 => "seresnet18", basic([2, 2, 2, 2]).se();
    SeResNet34 => "seresnet34", basic([3, 4, 6, 3]).se();
    SeResNet50 => "seresnet50", bottleneck([3, 4, 6, 3]).se();
    SeResNet50t => "seresnet50t", bottleneck([3, 4, 6, 3]).t().se();
    SeResNet101 => "seresnet101", bottleneck([3, 4, 23, 3]).se();
    SeResNet152 => "seresnet152", bottleneck([3, 8, 36, 3]).se();
    SeResNet152d => "seresnet152d", bottleneck([3, 8, 36, 3]).d().se();
    SeResNet200d => "seresnet200d", bottleneck([3, 24, 36, 3]).d().se();
    SeResNet269d => "seresnet269d", bottleneck([3, 30, 48, 8]).d().se();
    SeResNetAa50d => "seresnetaa50d", bottleneck([3, 4, 6, 3]).d().se().aa();
    SeResNeXt26d_32x4d => "seresnext26d_32x4d", bottleneck([2, 2, 2, 2]).d().groups(32, 4).se();
    SeResNeXt26t_32x4d => "seresnext26t_32x4d", bottleneck([2, 2, 2, 2]).t().groups(32, 4).se();
    SeResNeXt50_32x4d => "seresnext50_32x4d", bottleneck([3, 4, 6, 3]).groups(32, 4).se();
    SeResNeXt101_32x4d => "seresnext101_32x4d", bottleneck([3, 4, 23, 3]).groups(32, 4).se();
    SeResNeXt101_32x8d => "seresnext101_32x8d", bottleneck([3, 4, 23, 3]).groups(32, 8).se();
    SeResNeXt101d_32x8d => "seresnext101d_32x8d", bottleneck([3, 4, 23, 3]).d().groups(32, 8).se();
    SeResNeXt101_64x4d => "seresnext101_64x4d", bottleneck([3, 4, 23, 3]).groups(64, 4).se();
    SeResNeXtAa101d_32x8d => "seresnextaa101d_32x8d", bottleneck([3, 4, 23, 3]).d().groups(32, 8).se().aa();
    SeResNeXtAa201d_32x8d => "seresnextaa201d_32x8d", bottleneck([3, 24, 36, 4]).s().with_shortcut(AvgPoolProjection).groups(32, 8).se().aa();
    EcaResNet26t => "ecaresnet26t", bottleneck([2, 2, 2, 2]).t().eca();
    EcaResNetLight => "ecaresnetlight", bottleneck([1, 1, 11, 3]).with_shortcut(AvgPoolProjection).eca();
    EcaResNet50d => "ecaresnet50d", bottleneck([3, 4, 6, 3]).d().eca();
    EcaResNet50t => "ecaresnet50t", bottleneck([3, 4, 6, 3]).t().eca();
    EcaResNet101d => "ecaresnet101d", bottleneck([3, 4, 23, 3]).d().eca();
    EcaResNet200d => "ecaresnet200d", bottleneck([3, 24, 36, 3]).d().eca();
    EcaResNet269d => "ecaresnet269d", bottleneck([3, 30, 48, 8]).d().eca();
    EcaResNeXt26t_32x4d => "ecaresnext26t_32x4d", bottleneck([2, 2, 2, 2]).t().groups(32, 4).eca();
    EcaResNeXt50t_32x4d => "ecaresnext50t_32x4d", bottleneck([3, 4, 6, 3]).t().groups(32, 4).eca();
    ResNetRs50 => "resnetrs50", bottleneck([3, 4, 6, 3]).resnet_rs();
    ResNetRs101 => "resnetrs101", bottleneck([3, 4, 23, 3]).resnet_rs();
    ResNetRs152 => "resnetrs152", bottleneck([3, 8, 36, 3]).resnet_rs();
    ResNetRs200 => "resnetrs200", bottleneck([3, 24, 36, 3]).resnet_rs();
    ResNetRs270 => "resnetrs270", bottleneck([4, 29, 53, 4]).resnet_rs();
    ResNetRs350 => "resnetrs350", bottleneck([4, 36, 72, 4]).resnet_rs();
    ResNetRs420 => "resnetrs420", bottleneck([4, 44, 87, 4]).resnet_rs();
    CifarResNet20 => "cifar_resnet20", cifar(3).with_shortcut(ZeroPad);
    CifarResNet32 => "cifar_resnet32", cifar(5).with_shortcut(ZeroPad);
    CifarResNet44 => "cifar_resnet44", cifar(7).with_shortcut(ZeroPad);
    CifarResNet56 => "cifar_resnet56", cifar(9).with_shortcut(ZeroPad);
    CifarResNet110 => "cifar_resnet110", cifar(18).with_shortcut(ZeroPad);
    CifarResNet1202 => "cifar_resnet1202", cifar(200).with_shortcut(ZeroPad);
    CifarResNet20B => "cifar_resnet20_b", cifar(3).with_shortcut(Projection);
    CifarResNet32B => "cifar_resnet32_b", cifar(5).with_shortcut(Projection);
    CifarResNet44B => "cifar_resnet44_b", cifar(7).with_shortcut(Projection);
    CifarResNet56B => "cifar_resnet56_b", cifar(9).with_shortcut(Projection);
    CifarResNet110B => "cifar_resnet110_b", cifar(18).with_shortcut(Projection);
    CifarResNet1202B => "cifar_resnet1202_b", cifar(200).with_shortcut(Projection);
    CifarWideResNet16_4 => "cifar_wide_resnet16_4", cifar_wide(2, 4);
    CifarWideResNet16_8 => "cifar_wide_resnet16_8", cifar_wide(2, 8);
    CifarWideResNet28_10 => "cifar_wide_resnet28_10", cifar_wide(4, 10);
    CifarWideResNet40_2 => "cifar_wide_resnet40_2", cifar_wide(6, 2);
    CifarWideResNet40_4 => "cifar_wide_resnet40_4", cifar_wide(6, 4);
    CifarPreActResNet110 => "cifar_preact_resnet110", cifar_pre_activation(12);
    CifarPreActResNet164 => "cifar_preact_resnet164", cifar_pre_activation(18);
    CifarPreActResNet1001 => "cifar_preact_resnet1001", cifar_pre_activation(111);
}

fn basic(depths: [usize; 4]) -> ResNetConfig {
    ResNetConfig::imagenet(BlockKind::Basic, depths)
}

fn bottleneck(depths: [usize; 4]) -> ResNetConfig {
    ResNetConfig::imagenet(BlockKind::Bottleneck, depths)
}

/// timm's smallest network, made for tests. It is the only one whose stages mix block kinds.
fn test_resnet() -> ResNetConfig {
    use BlockKind::{Basic, Bottleneck};
    let stages = [(Basic, 32), (Basic, 48), (Bottleneck, 48), (Basic, 96)];
    let stages = stages.map(|(block, width)| StageConfig {
        block,
        depth: 1,
        width,
    });
    ResNetConfig::new(stages.into())
        .with_stem(StemKind::Deep { width: 16 })
        .with_shortcut(AvgPoolProjection)
}

/// The name suffixes after the depth, and the other options that a name encodes.
trait Letters: Sized {
    /// Sets a deep stem of width 32.
    fn c(self) -> Self;
    /// Sets a deep stem of width 32 and an average pool in the shortcut.
    fn d(self) -> Self;
    /// Sets a deep stem of width 64.
    fn s(self) -> Self;
    /// Sets a tiered stem of width 32 and an average pool in the shortcut.
    fn t(self) -> Self;
    /// Sets ResNeXt's `{cardinality}x{base_width}d`. A Wide ResNet is `1x128d`.
    fn groups(self, cardinality: usize, base_width: usize) -> Self;
    /// Adds squeeze-and-excitation that reduces the channels to a sixteenth.
    fn se(self) -> Self;
    /// Adds efficient channel attention.
    fn eca(self) -> Self;
    /// Replaces strides by average pools, for anti-aliasing.
    fn aa(self) -> Self;
    /// Replaces strides by blur pools, for anti-aliasing.
    fn blur(self) -> Self;
    /// Applies `d`, replaces the max pool by a convolution, and adds squeeze-and-excitation that
    /// reduces the channels to a quarter.
    fn resnet_rs(self) -> Self;
}

impl Letters for ResNetConfig {
    fn c(self) -> Self {
        self.with_stem(StemKind::Deep { width: 32 })
    }

    fn d(self) -> Self {
        self.c().with_shortcut(AvgPoolProjection)
    }

    fn s(self) -> Self {
        self.with_stem(StemKind::Deep { width: 64 })
    }

    fn t(self) -> Self {
        self.with_stem(StemKind::Tiered { width: 32 })
            .with_shortcut(AvgPoolProjection)
    }

    fn groups(self, cardinality: usize, base_width: usize) -> Self {
        self.with_cardinality(cardinality)
            .with_base_width(base_width)
    }

    fn se(self) -> Self {
        self.with_attention(AttentionKind::SqueezeExcite { ratio: 1.0 / 16.0 })
    }

    fn eca(self) -> Self {
        self.with_attention(AttentionKind::EfficientChannel)
    }

    fn aa(self) -> Self {
        self.with_anti_alias(AntiAlias::AvgPool)
    }

    fn blur(self) -> Self {
        self.with_anti_alias(AntiAlias::Blur)
    }

    fn resnet_rs(self) -> Self {
        self.d()
            .with_stem_pool(StemPool::Conv)
            .with_attention(AttentionKind::SqueezeExcite { ratio: 0.25 })
    }
}

fn cifar(n: usize) -> ResNetConfig {
    ResNetConfig::cifar_stages(BlockKind::Basic, n, 1)
}

fn cifar_wide(n: usize, widen: usize) -> ResNetConfig {
    ResNetConfig::cifar_stages(BlockKind::PreActBasic, n, widen)
}

fn cifar_pre_activation(n: usize) -> ResNetConfig {
    ResNetConfig::cifar_stages(BlockKind::PreActBottleneck, n, 1)
}
