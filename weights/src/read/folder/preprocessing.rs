//! Converts the preprocessing of transformers and timm.

use resnet_image::{Filter, PerChannel, Preprocessing};
use serde_json::Value;

/// Reads a `preprocessor_config.json`.
///
/// # Errors
///
/// Returns the unsupported setting.
pub(super) fn of_transformers(config: &Value) -> Result<Preprocessing, String> {
    let flag =
        |key: &str, default: bool| config.get(key).and_then(Value::as_bool).unwrap_or(default);
    let kind = ["image_processor_type", "feature_extractor_type"]
        .iter()
        .find_map(|key| config.get(key)?.as_str());
    let is = |family: &str| kind.is_some_and(|kind| kind.starts_with(family));
    if flag("do_pad", false) {
        return Err("it pads images".into());
    }
    let size = config.get("size");
    let edge = size.and_then(|size| size.get("shortest_edge").unwrap_or(size).as_u64());
    let edge = edge
        .filter(|edge| (1..=u64::from(u32::MAX)).contains(edge))
        .ok_or("it resizes to a width and a height, without regard to the aspect ratio")?;
    let share = config.get("crop_pct").and_then(Value::as_f64);
    let convnext = is("ConvNext") || kind.is_none() && share.is_some();
    let (resize, crop) = if convnext {
        if edge >= 384 {
            return Err("it resizes to a square, without regard to the aspect ratio".into());
        }
        if flag("do_center_crop", false) {
            return Err("it crops twice".into());
        }
        (scaled(edge, 1.0 / share.unwrap_or(0.875))?, Some(edge))
    } else if is("Bit") || is("CLIP") || is("Levit") || config.get("crop_size").is_some() {
        let resize = match is("Levit") {
            true => scaled(edge, 256.0 / 224.0)?,
            false => edge,
        };
        let crop = flag("do_center_crop", true).then(|| square(config.get("crop_size"), edge));
        (resize, crop.transpose()?)
    } else {
        let kind = kind.unwrap_or("one without a name");
        return Err(format!("its kind is not known, `{kind}`"));
    };
    let (resize, crop) = match (flag("do_resize", true), convnext) {
        (true, _) => (Some(resize), crop),
        (false, true) => (None, None),
        (false, false) => (None, crop),
    };
    let filter = match config.get("resample") {
        Some(value) if value.as_u64() == Some(2) => Filter::Bilinear,
        Some(value) if value.as_u64() != Some(3) => {
            let expected = "expected `resample` 2 (bilinear) or 3 (bicubic)";
            return Err(format!("{expected}, found {value}"));
        }
        _ => Filter::Bicubic,
    };
    let scale = match flag("do_rescale", true) {
        true => {
            config
                .get("rescale_factor")
                .and_then(Value::as_f64)
                .unwrap_or(1.0 / 255.0)
                * 255.0
        }
        false => 255.0,
    };
    let [mean, std] = match flag("do_normalize", true) {
        true => [
            floats(config.get("image_mean"))?,
            floats(config.get("image_std"))?,
        ],
        false => [vec![0.0; 3], vec![1.0; 3]],
    };
    preprocessing([resize, crop], filter, [mean, std], scale)
}

/// Reads the `pretrained_cfg` of timm. Returns `None` if it has no preprocessing.
pub(super) fn of_timm(config: &Value) -> Option<Result<Preprocessing, String>> {
    let number = |test: &str, plain: &str| {
        let values = [test, plain].into_iter().filter_map(|key| config.get(key));
        values.into_iter().find(|value| !value.is_null())
    };
    let size = number("test_input_size", "input_size");
    let share = number("test_crop_pct", "crop_pct");
    if size.is_none() && config.get("mean").is_none() {
        return None;
    }
    // timm's defaults.
    let usual = serde_json::json!([3, 224, 224]);
    let share = share.map_or(Some(0.875), Value::as_f64);
    let share = share.ok_or_else(|| "expected a number for `crop_pct`".to_string());
    Some(share.and_then(|share| timm_preprocessing(config, size.unwrap_or(&usual), share)))
}

fn timm_preprocessing(config: &Value, size: &Value, share: f64) -> Result<Preprocessing, String> {
    let side = |axis: usize| size.get(axis).and_then(Value::as_u64);
    let (Some(height), Some(width)) = (side(1), side(2)) else {
        return Err(format!(
            "expected an input size of three numbers, found {size}"
        ));
    };
    if height != width {
        return Err(format!(
            "its images are {width} by {height} pixels, not square"
        ));
    }
    match config.get("crop_mode").and_then(Value::as_str) {
        None | Some("center") => {}
        Some(other) => return Err(format!("its `crop_mode` is `{other}`, not `center`")),
    }
    let filter = match config.get("interpolation").and_then(Value::as_str) {
        None | Some("bilinear" | "random") => Filter::Bilinear,
        Some("bicubic") => Filter::Bicubic,
        Some(other) => return Err(format!("its interpolation `{other}` is not known")),
    };
    let resize = scaled(height, 1.0 / share)?;
    let numbers = [floats(config.get("mean"))?, floats(config.get("std"))?];
    preprocessing([Some(resize), Some(height)], filter, numbers, 1.0)
}

/// Creates the preprocessing. `scale` is the value of a white pixel before normalization.
fn preprocessing(
    [resize, crop]: [Option<u64>; 2],
    filter: Filter,
    [mean, std]: [Vec<f64>; 2],
    scale: f64,
) -> Result<Preprocessing, String> {
    // Removes rounding errors around 1.
    let scale = if (scale - 1.0).abs() < 1e-9 {
        1.0
    } else {
        scale
    };
    let side = |side: Option<u64>| -> Result<Option<u32>, String> {
        let side = side.map(|side| {
            u32::try_from(side)
                .ok()
                .filter(|&side| side > 0)
                .ok_or(side)
        });
        side.transpose()
            .map_err(|side| format!("expected a size of 1 or more, found {side}"))
    };
    let scaled = |numbers: Vec<f64>| -> Result<PerChannel, String> {
        let numbers = numbers.into_iter().map(|number| (number / scale) as f32);
        let numbers: Vec<f32> = numbers.collect();
        PerChannel::try_from(numbers).map_err(|error| error.to_string())
    };
    let preprocessing = Preprocessing {
        resize: side(resize)?,
        crop: side(crop)?,
        filter,
        mean: scaled(mean)?,
        std: scaled(std)?,
    };
    preprocessing
        .validate()
        .map_err(|error| error.to_string())?;
    Ok(preprocessing)
}

/// Returns the side times a factor, rounded down.
fn scaled(side: u64, factor: f64) -> Result<u64, String> {
    let scaled = (side as f64 * factor).floor();
    match scaled >= 1.0 && scaled <= f64::from(u32::MAX) {
        true => Ok(scaled as u64),
        false => Err(format!("expected a size of 1 or more, found {scaled}")),
    }
}

/// Returns the side of a square crop, from a number or from equal height and width.
fn square(size: Option<&Value>, default: u64) -> Result<u64, String> {
    let Some(size) = size.filter(|size| !size.is_null()) else {
        return Ok(default);
    };
    let side = |key: &str| size.get(key).and_then(Value::as_u64);
    match (size.as_u64(), side("height"), side("width")) {
        (Some(side), ..) => Ok(side),
        (_, Some(height), Some(width)) if height == width => Ok(height),
        _ => Err(format!("its crop is not square, {size}")),
    }
}

fn floats(value: Option<&Value>) -> Result<Vec<f64>, String> {
    let items = value.and_then(Value::as_array);
    let numbers = items.and_then(|items| items.iter().map(Value::as_f64).collect());
    numbers.ok_or_else(|| "expected lists of means and standard deviations".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn processor(changes: Value) -> Result<Preprocessing, String> {
        let mut config = json!({
            "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}, "crop_pct": 0.875,
            "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25],
            "rescale_factor": 0.003_921_568_627_450_98,
        });
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        of_transformers(&config)
    }

    #[test]
    fn processors_of_transformers_resize_and_crop_by_their_kind() {
        let sizes = |changes| {
            processor(changes)
                .map(|preprocessing| (preprocessing.resize, preprocessing.crop))
                .unwrap()
        };
        assert_eq!(sizes(json!({})), (Some(256), Some(224)));
        assert_eq!(sizes(json!({"do_resize": false})), (None, None));
        let bit = json!({"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256},
            "crop_size": {"height": 224, "width": 224}});
        assert_eq!(sizes(bit), (Some(256), Some(224)));
        let whole =
            json!({"image_processor_type": "CLIPImageProcessorFast", "do_center_crop": false});
        assert_eq!(sizes(whole), (Some(224), None));
        let levit = json!({"image_processor_type": "LevitImageProcessor", "crop_size": 224});
        assert_eq!(sizes(levit), (Some(256), Some(224)));
        for (changes, expected) in [
            (
                json!({"size": {"height": 224, "width": 224}}),
                "without regard to the aspect ratio",
            ),
            (json!({"size": {"shortest_edge": 384}}), "to a square"),
            (
                json!({"image_processor_type": "ViTImageProcessor"}),
                "its kind is not known, `ViT",
            ),
            (json!({"do_pad": true}), "pads"),
            (
                json!({"resample": 1}),
                "expected `resample` 2 (bilinear) or 3 (bicubic), found 1",
            ),
        ] {
            let error = processor(changes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    /// Converts `(factor * pixel - mean) / std` to the form of `Preprocessing`, `(pixel / 255 -
    /// mean') / std'`.
    #[test]
    fn scales_and_normalizations_match_transformers() {
        let numbers = |changes| {
            processor(changes)
                .map(|preprocessing| (preprocessing.mean, preprocessing.std))
                .unwrap()
        };
        assert_eq!(numbers(json!({})), ([0.5; 3].into(), [0.25; 3].into()));
        let doubled = json!({"rescale_factor": 2.0 / 255.0});
        assert_eq!(numbers(doubled), ([0.25; 3].into(), [0.125; 3].into()));
        let plain = json!({"do_normalize": false});
        assert_eq!(numbers(plain), ([0.0; 3].into(), [1.0; 3].into()));
        let bytes = json!({"do_rescale": false, "do_normalize": false});
        assert_eq!(numbers(bytes), ([0.0; 3].into(), [1.0 / 255.0; 3].into()));
    }

    #[test]
    fn timm_crops_the_center_of_squares() {
        let config = |changes: Value| {
            let mut config = json!({"input_size": [3, 224, 224], "crop_pct": 0.95, "mean": [0.5, 0.5, 0.5],
                "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "crop_mode": "center"});
            for (key, value) in changes.as_object().unwrap() {
                config[key] = value.clone();
            }
            of_timm(&config).unwrap()
        };
        let preprocessing = config(json!({})).unwrap();
        assert_eq!(
            (preprocessing.resize, preprocessing.crop),
            (Some(235), Some(224))
        );
        assert!(
            config(json!({"crop_mode": "squash"}))
                .unwrap_err()
                .contains("`squash`")
        );
        assert!(
            config(json!({"input_size": [3, 128, 256]}))
                .unwrap_err()
                .contains("not square")
        );
        assert!(of_timm(&json!({})).is_none());
        // Missing settings have timm's defaults; invalid settings are errors.
        let some = of_timm(&json!({"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}));
        let preprocessing = some.unwrap().unwrap();
        assert_eq!(
            (preprocessing.resize, preprocessing.crop),
            (Some(256), Some(224))
        );
        assert!(
            config(json!({"crop_pct": "all"}))
                .unwrap_err()
                .contains("crop_pct")
        );
    }
}
