//! The ids of all sets as constants, so that the compiler finds a typo. Written by `catalogue/generate.py`.

use super::names::Id;

/// `resnet10t.c3_in1k`.
pub const RESNET10T_C3_IN1K: Id = Id("resnet10t.c3_in1k");

/// `resnet14t.c3_in1k`.
pub const RESNET14T_C3_IN1K: Id = Id("resnet14t.c3_in1k");

/// `resnet18.a1_in1k`.
pub const RESNET18_A1_IN1K: Id = Id("resnet18.a1_in1k");

/// `resnet18.a2_in1k`.
pub const RESNET18_A2_IN1K: Id = Id("resnet18.a2_in1k");

/// `resnet18.a3_in1k`.
pub const RESNET18_A3_IN1K: Id = Id("resnet18.a3_in1k");

/// `resnet18.tv_in1k`.
pub const RESNET18_TV_IN1K: Id = Id("resnet18.tv_in1k");

/// `resnet18.fb_ssl_yfcc100m_ft_in1k`.
pub const RESNET18_FB_SSL_YFCC100M_FT_IN1K: Id = Id("resnet18.fb_ssl_yfcc100m_ft_in1k");

/// `resnet18.fb_swsl_ig1b_ft_in1k`.
pub const RESNET18_FB_SWSL_IG1B_FT_IN1K: Id = Id("resnet18.fb_swsl_ig1b_ft_in1k");

/// `resnet18.gluon_in1k`.
pub const RESNET18_GLUON_IN1K: Id = Id("resnet18.gluon_in1k");

/// `resnet18d.ra2_in1k`.
pub const RESNET18D_RA2_IN1K: Id = Id("resnet18d.ra2_in1k");

/// `resnet18d.ra4_e3600_r224_in1k`.
pub const RESNET18D_RA4_E3600_R224_IN1K: Id = Id("resnet18d.ra4_e3600_r224_in1k");

/// `resnet34.a1_in1k`.
pub const RESNET34_A1_IN1K: Id = Id("resnet34.a1_in1k");

/// `resnet34.a2_in1k`.
pub const RESNET34_A2_IN1K: Id = Id("resnet34.a2_in1k");

/// `resnet34.a3_in1k`.
pub const RESNET34_A3_IN1K: Id = Id("resnet34.a3_in1k");

/// `resnet34.bt_in1k`.
pub const RESNET34_BT_IN1K: Id = Id("resnet34.bt_in1k");

/// `resnet34.ra4_e3600_r224_in1k`.
pub const RESNET34_RA4_E3600_R224_IN1K: Id = Id("resnet34.ra4_e3600_r224_in1k");

/// `resnet34.tv_in1k`.
pub const RESNET34_TV_IN1K: Id = Id("resnet34.tv_in1k");

/// `resnet34.gluon_in1k`.
pub const RESNET34_GLUON_IN1K: Id = Id("resnet34.gluon_in1k");

/// `resnet34d.ra2_in1k`.
pub const RESNET34D_RA2_IN1K: Id = Id("resnet34d.ra2_in1k");

/// `resnet26.bt_in1k`.
pub const RESNET26_BT_IN1K: Id = Id("resnet26.bt_in1k");

/// `resnet26d.bt_in1k`.
pub const RESNET26D_BT_IN1K: Id = Id("resnet26d.bt_in1k");

/// `resnet26t.ra2_in1k`.
pub const RESNET26T_RA2_IN1K: Id = Id("resnet26t.ra2_in1k");

/// `resnet50.a1_in1k`.
pub const RESNET50_A1_IN1K: Id = Id("resnet50.a1_in1k");

/// `resnet50.a1h_in1k`.
pub const RESNET50_A1H_IN1K: Id = Id("resnet50.a1h_in1k");

/// `resnet50.a2_in1k`.
pub const RESNET50_A2_IN1K: Id = Id("resnet50.a2_in1k");

/// `resnet50.a3_in1k`.
pub const RESNET50_A3_IN1K: Id = Id("resnet50.a3_in1k");

/// `resnet50.b1k_in1k`.
pub const RESNET50_B1K_IN1K: Id = Id("resnet50.b1k_in1k");

/// `resnet50.b2k_in1k`.
pub const RESNET50_B2K_IN1K: Id = Id("resnet50.b2k_in1k");

/// `resnet50.c1_in1k`.
pub const RESNET50_C1_IN1K: Id = Id("resnet50.c1_in1k");

/// `resnet50.c2_in1k`.
pub const RESNET50_C2_IN1K: Id = Id("resnet50.c2_in1k");

/// `resnet50.d_in1k`.
pub const RESNET50_D_IN1K: Id = Id("resnet50.d_in1k");

/// `resnet50.ram_in1k`.
pub const RESNET50_RAM_IN1K: Id = Id("resnet50.ram_in1k");

/// `resnet50.am_in1k`.
pub const RESNET50_AM_IN1K: Id = Id("resnet50.am_in1k");

/// `resnet50.ra_in1k`.
pub const RESNET50_RA_IN1K: Id = Id("resnet50.ra_in1k");

/// `resnet50.bt_in1k`.
pub const RESNET50_BT_IN1K: Id = Id("resnet50.bt_in1k");

/// `resnet50.tv_in1k`.
pub const RESNET50_TV_IN1K: Id = Id("resnet50.tv_in1k");

/// `resnet50.tv2_in1k`.
pub const RESNET50_TV2_IN1K: Id = Id("resnet50.tv2_in1k");

/// `resnet50.bamboo`.
pub const RESNET50_BAMBOO: Id = Id("resnet50.bamboo");

/// `resnet50.fb_ssl_yfcc100m_ft_in1k`.
pub const RESNET50_FB_SSL_YFCC100M_FT_IN1K: Id = Id("resnet50.fb_ssl_yfcc100m_ft_in1k");

/// `resnet50.fb_swsl_ig1b_ft_in1k`.
pub const RESNET50_FB_SWSL_IG1B_FT_IN1K: Id = Id("resnet50.fb_swsl_ig1b_ft_in1k");

/// `resnet50.gluon_in1k`.
pub const RESNET50_GLUON_IN1K: Id = Id("resnet50.gluon_in1k");

/// `resnet50d.ra2_in1k`.
pub const RESNET50D_RA2_IN1K: Id = Id("resnet50d.ra2_in1k");

/// `resnet50d.ra4_e3600_r224_in1k`.
pub const RESNET50D_RA4_E3600_R224_IN1K: Id = Id("resnet50d.ra4_e3600_r224_in1k");

/// `resnet50d.a1_in1k`.
pub const RESNET50D_A1_IN1K: Id = Id("resnet50d.a1_in1k");

/// `resnet50d.a2_in1k`.
pub const RESNET50D_A2_IN1K: Id = Id("resnet50d.a2_in1k");

/// `resnet50d.a3_in1k`.
pub const RESNET50D_A3_IN1K: Id = Id("resnet50d.a3_in1k");

/// `resnet50d.gluon_in1k`.
pub const RESNET50D_GLUON_IN1K: Id = Id("resnet50d.gluon_in1k");

/// `resnet101.a1h_in1k`.
pub const RESNET101_A1H_IN1K: Id = Id("resnet101.a1h_in1k");

/// `resnet101.a1_in1k`.
pub const RESNET101_A1_IN1K: Id = Id("resnet101.a1_in1k");

/// `resnet101.a2_in1k`.
pub const RESNET101_A2_IN1K: Id = Id("resnet101.a2_in1k");

/// `resnet101.a3_in1k`.
pub const RESNET101_A3_IN1K: Id = Id("resnet101.a3_in1k");

/// `resnet101.tv_in1k`.
pub const RESNET101_TV_IN1K: Id = Id("resnet101.tv_in1k");

/// `resnet101.tv2_in1k`.
pub const RESNET101_TV2_IN1K: Id = Id("resnet101.tv2_in1k");

/// `resnet101.gluon_in1k`.
pub const RESNET101_GLUON_IN1K: Id = Id("resnet101.gluon_in1k");

/// `resnet101d.ra2_in1k`.
pub const RESNET101D_RA2_IN1K: Id = Id("resnet101d.ra2_in1k");

/// `resnet101d.gluon_in1k`.
pub const RESNET101D_GLUON_IN1K: Id = Id("resnet101d.gluon_in1k");

/// `resnet152.a1h_in1k`.
pub const RESNET152_A1H_IN1K: Id = Id("resnet152.a1h_in1k");

/// `resnet152.a1_in1k`.
pub const RESNET152_A1_IN1K: Id = Id("resnet152.a1_in1k");

/// `resnet152.a2_in1k`.
pub const RESNET152_A2_IN1K: Id = Id("resnet152.a2_in1k");

/// `resnet152.a3_in1k`.
pub const RESNET152_A3_IN1K: Id = Id("resnet152.a3_in1k");

/// `resnet152.tv_in1k`.
pub const RESNET152_TV_IN1K: Id = Id("resnet152.tv_in1k");

/// `resnet152.tv2_in1k`.
pub const RESNET152_TV2_IN1K: Id = Id("resnet152.tv2_in1k");

/// `resnet152.gluon_in1k`.
pub const RESNET152_GLUON_IN1K: Id = Id("resnet152.gluon_in1k");

/// `resnet152d.ra2_in1k`.
pub const RESNET152D_RA2_IN1K: Id = Id("resnet152d.ra2_in1k");

/// `resnet152d.gluon_in1k`.
pub const RESNET152D_GLUON_IN1K: Id = Id("resnet152d.gluon_in1k");

/// `resnet200d.ra2_in1k`.
pub const RESNET200D_RA2_IN1K: Id = Id("resnet200d.ra2_in1k");

/// `wide_resnet50_2.racm_in1k`.
pub const WIDE_RESNET50_2_RACM_IN1K: Id = Id("wide_resnet50_2.racm_in1k");

/// `wide_resnet50_2.tv_in1k`.
pub const WIDE_RESNET50_2_TV_IN1K: Id = Id("wide_resnet50_2.tv_in1k");

/// `wide_resnet50_2.tv2_in1k`.
pub const WIDE_RESNET50_2_TV2_IN1K: Id = Id("wide_resnet50_2.tv2_in1k");

/// `wide_resnet101_2.tv_in1k`.
pub const WIDE_RESNET101_2_TV_IN1K: Id = Id("wide_resnet101_2.tv_in1k");

/// `wide_resnet101_2.tv2_in1k`.
pub const WIDE_RESNET101_2_TV2_IN1K: Id = Id("wide_resnet101_2.tv2_in1k");

/// `resnet50_gn.a1h_in1k`.
pub const RESNET50_GN_A1H_IN1K: Id = Id("resnet50_gn.a1h_in1k");

/// `resnext50_32x4d.a1h_in1k`.
pub const RESNEXT50_32X4D_A1H_IN1K: Id = Id("resnext50_32x4d.a1h_in1k");

/// `resnext50_32x4d.a1_in1k`.
pub const RESNEXT50_32X4D_A1_IN1K: Id = Id("resnext50_32x4d.a1_in1k");

/// `resnext50_32x4d.a2_in1k`.
pub const RESNEXT50_32X4D_A2_IN1K: Id = Id("resnext50_32x4d.a2_in1k");

/// `resnext50_32x4d.a3_in1k`.
pub const RESNEXT50_32X4D_A3_IN1K: Id = Id("resnext50_32x4d.a3_in1k");

/// `resnext50_32x4d.ra_in1k`.
pub const RESNEXT50_32X4D_RA_IN1K: Id = Id("resnext50_32x4d.ra_in1k");

/// `resnext50_32x4d.tv_in1k`.
pub const RESNEXT50_32X4D_TV_IN1K: Id = Id("resnext50_32x4d.tv_in1k");

/// `resnext50_32x4d.tv2_in1k`.
pub const RESNEXT50_32X4D_TV2_IN1K: Id = Id("resnext50_32x4d.tv2_in1k");

/// `resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k`.
pub const RESNEXT50_32X4D_FB_SSL_YFCC100M_FT_IN1K: Id =
    Id("resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k");

/// `resnext50_32x4d.fb_swsl_ig1b_ft_in1k`.
pub const RESNEXT50_32X4D_FB_SWSL_IG1B_FT_IN1K: Id = Id("resnext50_32x4d.fb_swsl_ig1b_ft_in1k");

/// `resnext50_32x4d.gluon_in1k`.
pub const RESNEXT50_32X4D_GLUON_IN1K: Id = Id("resnext50_32x4d.gluon_in1k");

/// `resnext50d_32x4d.bt_in1k`.
pub const RESNEXT50D_32X4D_BT_IN1K: Id = Id("resnext50d_32x4d.bt_in1k");

/// `resnext101_32x4d.fb_ssl_yfcc100m_ft_in1k`.
pub const RESNEXT101_32X4D_FB_SSL_YFCC100M_FT_IN1K: Id =
    Id("resnext101_32x4d.fb_ssl_yfcc100m_ft_in1k");

/// `resnext101_32x4d.fb_swsl_ig1b_ft_in1k`.
pub const RESNEXT101_32X4D_FB_SWSL_IG1B_FT_IN1K: Id = Id("resnext101_32x4d.fb_swsl_ig1b_ft_in1k");

/// `resnext101_32x4d.gluon_in1k`.
pub const RESNEXT101_32X4D_GLUON_IN1K: Id = Id("resnext101_32x4d.gluon_in1k");

/// `resnext101_64x4d.c1_in1k`.
pub const RESNEXT101_64X4D_C1_IN1K: Id = Id("resnext101_64x4d.c1_in1k");

/// `resnext101_64x4d.tv_in1k`.
pub const RESNEXT101_64X4D_TV_IN1K: Id = Id("resnext101_64x4d.tv_in1k");

/// `resnext101_64x4d.gluon_in1k`.
pub const RESNEXT101_64X4D_GLUON_IN1K: Id = Id("resnext101_64x4d.gluon_in1k");

/// `resnext101_32x8d.tv_in1k`.
pub const RESNEXT101_32X8D_TV_IN1K: Id = Id("resnext101_32x8d.tv_in1k");

/// `resnext101_32x8d.tv2_in1k`.
pub const RESNEXT101_32X8D_TV2_IN1K: Id = Id("resnext101_32x8d.tv2_in1k");

/// `resnext101_32x8d.fb_wsl_ig1b_ft_in1k`.
pub const RESNEXT101_32X8D_FB_WSL_IG1B_FT_IN1K: Id = Id("resnext101_32x8d.fb_wsl_ig1b_ft_in1k");

/// `resnext101_32x8d.fb_ssl_yfcc100m_ft_in1k`.
pub const RESNEXT101_32X8D_FB_SSL_YFCC100M_FT_IN1K: Id =
    Id("resnext101_32x8d.fb_ssl_yfcc100m_ft_in1k");

/// `resnext101_32x8d.fb_swsl_ig1b_ft_in1k`.
pub const RESNEXT101_32X8D_FB_SWSL_IG1B_FT_IN1K: Id = Id("resnext101_32x8d.fb_swsl_ig1b_ft_in1k");

/// `resnext101_32x16d.fb_wsl_ig1b_ft_in1k`.
pub const RESNEXT101_32X16D_FB_WSL_IG1B_FT_IN1K: Id = Id("resnext101_32x16d.fb_wsl_ig1b_ft_in1k");

/// `resnext101_32x16d.fb_ssl_yfcc100m_ft_in1k`.
pub const RESNEXT101_32X16D_FB_SSL_YFCC100M_FT_IN1K: Id =
    Id("resnext101_32x16d.fb_ssl_yfcc100m_ft_in1k");

/// `resnext101_32x16d.fb_swsl_ig1b_ft_in1k`.
pub const RESNEXT101_32X16D_FB_SWSL_IG1B_FT_IN1K: Id = Id("resnext101_32x16d.fb_swsl_ig1b_ft_in1k");

/// `resnext101_32x32d.fb_wsl_ig1b_ft_in1k`.
pub const RESNEXT101_32X32D_FB_WSL_IG1B_FT_IN1K: Id = Id("resnext101_32x32d.fb_wsl_ig1b_ft_in1k");

/// `resnext101_32x48d.fb_wsl_ig1b_ft_in1k`.
pub const RESNEXT101_32X48D_FB_WSL_IG1B_FT_IN1K: Id = Id("resnext101_32x48d.fb_wsl_ig1b_ft_in1k");

/// `ecaresnet26t.ra2_in1k`.
pub const ECARESNET26T_RA2_IN1K: Id = Id("ecaresnet26t.ra2_in1k");

/// `ecaresnetlight.miil_in1k`.
pub const ECARESNETLIGHT_MIIL_IN1K: Id = Id("ecaresnetlight.miil_in1k");

/// `ecaresnet50d.miil_in1k`.
pub const ECARESNET50D_MIIL_IN1K: Id = Id("ecaresnet50d.miil_in1k");

/// `ecaresnet50t.ra2_in1k`.
pub const ECARESNET50T_RA2_IN1K: Id = Id("ecaresnet50t.ra2_in1k");

/// `ecaresnet50t.a1_in1k`.
pub const ECARESNET50T_A1_IN1K: Id = Id("ecaresnet50t.a1_in1k");

/// `ecaresnet50t.a2_in1k`.
pub const ECARESNET50T_A2_IN1K: Id = Id("ecaresnet50t.a2_in1k");

/// `ecaresnet50t.a3_in1k`.
pub const ECARESNET50T_A3_IN1K: Id = Id("ecaresnet50t.a3_in1k");

/// `ecaresnet101d.miil_in1k`.
pub const ECARESNET101D_MIIL_IN1K: Id = Id("ecaresnet101d.miil_in1k");

/// `ecaresnet269d.ra2_in1k`.
pub const ECARESNET269D_RA2_IN1K: Id = Id("ecaresnet269d.ra2_in1k");

/// `seresnet50.a1_in1k`.
pub const SERESNET50_A1_IN1K: Id = Id("seresnet50.a1_in1k");

/// `seresnet50.a2_in1k`.
pub const SERESNET50_A2_IN1K: Id = Id("seresnet50.a2_in1k");

/// `seresnet50.a3_in1k`.
pub const SERESNET50_A3_IN1K: Id = Id("seresnet50.a3_in1k");

/// `seresnet50.ra2_in1k`.
pub const SERESNET50_RA2_IN1K: Id = Id("seresnet50.ra2_in1k");

/// `seresnet152d.ra2_in1k`.
pub const SERESNET152D_RA2_IN1K: Id = Id("seresnet152d.ra2_in1k");

/// `seresnext26d_32x4d.bt_in1k`.
pub const SERESNEXT26D_32X4D_BT_IN1K: Id = Id("seresnext26d_32x4d.bt_in1k");

/// `seresnext26t_32x4d.bt_in1k`.
pub const SERESNEXT26T_32X4D_BT_IN1K: Id = Id("seresnext26t_32x4d.bt_in1k");

/// `seresnext50_32x4d.racm_in1k`.
pub const SERESNEXT50_32X4D_RACM_IN1K: Id = Id("seresnext50_32x4d.racm_in1k");

/// `seresnext50_32x4d.gluon_in1k`.
pub const SERESNEXT50_32X4D_GLUON_IN1K: Id = Id("seresnext50_32x4d.gluon_in1k");

/// `seresnext101_32x4d.gluon_in1k`.
pub const SERESNEXT101_32X4D_GLUON_IN1K: Id = Id("seresnext101_32x4d.gluon_in1k");

/// `seresnext101_32x8d.ah_in1k`.
pub const SERESNEXT101_32X8D_AH_IN1K: Id = Id("seresnext101_32x8d.ah_in1k");

/// `seresnext101d_32x8d.ah_in1k`.
pub const SERESNEXT101D_32X8D_AH_IN1K: Id = Id("seresnext101d_32x8d.ah_in1k");

/// `resnetaa50d.sw_in12k_ft_in1k`.
pub const RESNETAA50D_SW_IN12K_FT_IN1K: Id = Id("resnetaa50d.sw_in12k_ft_in1k");

/// `resnetaa50d.sw_in12k`.
pub const RESNETAA50D_SW_IN12K: Id = Id("resnetaa50d.sw_in12k");

/// `resnetaa50d.d_in12k`.
pub const RESNETAA50D_D_IN12K: Id = Id("resnetaa50d.d_in12k");

/// `resnetaa101d.sw_in12k_ft_in1k`.
pub const RESNETAA101D_SW_IN12K_FT_IN1K: Id = Id("resnetaa101d.sw_in12k_ft_in1k");

/// `resnetaa101d.sw_in12k`.
pub const RESNETAA101D_SW_IN12K: Id = Id("resnetaa101d.sw_in12k");

/// `seresnextaa101d_32x8d.sw_in12k_ft_in1k_288`.
pub const SERESNEXTAA101D_32X8D_SW_IN12K_FT_IN1K_288: Id =
    Id("seresnextaa101d_32x8d.sw_in12k_ft_in1k_288");

/// `seresnextaa101d_32x8d.sw_in12k_ft_in1k`.
pub const SERESNEXTAA101D_32X8D_SW_IN12K_FT_IN1K: Id = Id("seresnextaa101d_32x8d.sw_in12k_ft_in1k");

/// `seresnextaa101d_32x8d.sw_in12k`.
pub const SERESNEXTAA101D_32X8D_SW_IN12K: Id = Id("seresnextaa101d_32x8d.sw_in12k");

/// `seresnextaa101d_32x8d.ah_in1k`.
pub const SERESNEXTAA101D_32X8D_AH_IN1K: Id = Id("seresnextaa101d_32x8d.ah_in1k");

/// `seresnextaa201d_32x8d.sw_in12k_ft_in1k_384`.
pub const SERESNEXTAA201D_32X8D_SW_IN12K_FT_IN1K_384: Id =
    Id("seresnextaa201d_32x8d.sw_in12k_ft_in1k_384");

/// `seresnextaa201d_32x8d.sw_in12k`.
pub const SERESNEXTAA201D_32X8D_SW_IN12K: Id = Id("seresnextaa201d_32x8d.sw_in12k");

/// `resnetblur50.bt_in1k`.
pub const RESNETBLUR50_BT_IN1K: Id = Id("resnetblur50.bt_in1k");

/// `resnetaa50.a1h_in1k`.
pub const RESNETAA50_A1H_IN1K: Id = Id("resnetaa50.a1h_in1k");

/// `resnetrs50.tf_in1k`.
pub const RESNETRS50_TF_IN1K: Id = Id("resnetrs50.tf_in1k");

/// `resnetrs101.tf_in1k`.
pub const RESNETRS101_TF_IN1K: Id = Id("resnetrs101.tf_in1k");

/// `resnetrs152.tf_in1k`.
pub const RESNETRS152_TF_IN1K: Id = Id("resnetrs152.tf_in1k");

/// `resnetrs200.tf_in1k`.
pub const RESNETRS200_TF_IN1K: Id = Id("resnetrs200.tf_in1k");

/// `resnetrs270.tf_in1k`.
pub const RESNETRS270_TF_IN1K: Id = Id("resnetrs270.tf_in1k");

/// `resnetrs350.tf_in1k`.
pub const RESNETRS350_TF_IN1K: Id = Id("resnetrs350.tf_in1k");

/// `resnetrs420.tf_in1k`.
pub const RESNETRS420_TF_IN1K: Id = Id("resnetrs420.tf_in1k");

/// `resnet50c.gluon_in1k`.
pub const RESNET50C_GLUON_IN1K: Id = Id("resnet50c.gluon_in1k");

/// `resnet101c.gluon_in1k`.
pub const RESNET101C_GLUON_IN1K: Id = Id("resnet101c.gluon_in1k");

/// `resnet152c.gluon_in1k`.
pub const RESNET152C_GLUON_IN1K: Id = Id("resnet152c.gluon_in1k");

/// `resnet50s.gluon_in1k`.
pub const RESNET50S_GLUON_IN1K: Id = Id("resnet50s.gluon_in1k");

/// `resnet101s.gluon_in1k`.
pub const RESNET101S_GLUON_IN1K: Id = Id("resnet101s.gluon_in1k");

/// `resnet152s.gluon_in1k`.
pub const RESNET152S_GLUON_IN1K: Id = Id("resnet152s.gluon_in1k");

/// `seresnext101_64x4d.gluon_in1k`.
pub const SERESNEXT101_64X4D_GLUON_IN1K: Id = Id("seresnext101_64x4d.gluon_in1k");

/// `test_resnet.r160_in1k`.
pub const TEST_RESNET_R160_IN1K: Id = Id("test_resnet.r160_in1k");

/// `cifar_resnet20.resnet_zoo_c10`.
pub const CIFAR_RESNET20_RESNET_ZOO_C10: Id = Id("cifar_resnet20.resnet_zoo_c10");
