//! Color operations that match Pillow byte for byte.

use image::RgbImage;

/// Computes Pillow's `Image.blend(degenerate, image, factor)` for one value.
fn blend(degenerate: u8, value: u8, factor: f32) -> u8 {
    let (from, to) = (f32::from(degenerate), f32::from(value));
    // Like Pillow's conversion, `as u8` rounds toward 0 and saturates at 0 and 255.
    (from + factor * (to - from)) as u8
}

/// Maps every value through the table of its channel.
fn look_up(image: &mut RgbImage, tables: &[[u8; 256]; 3]) {
    for pixel in image.pixels_mut() {
        for (value, table) in pixel.0.iter_mut().zip(tables) {
            *value = table[usize::from(*value)];
        }
    }
}

fn table(value: impl Fn(u8) -> u8) -> [u8; 256] {
    std::array::from_fn(|i| value(i as u8))
}

/// Converts to gray as Pillow does (ITU-R 601-2).
fn gray([r, g, b]: [u8; 3]) -> u8 {
    let [r, g, b] = [r, g, b].map(u32::from);
    ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
}

pub(super) fn brightness(image: &mut RgbImage, factor: f32) {
    look_up(image, &[table(|value| blend(0, value, factor)); 3]);
}

pub(super) fn contrast(image: &mut RgbImage, factor: f32) {
    let sum: u64 = image.pixels().map(|pixel| u64::from(gray(pixel.0))).sum();
    let count = u64::from(image.width()) * u64::from(image.height());
    let mean = (sum as f64 / count.max(1) as f64 + 0.5) as u8;
    look_up(image, &[table(|value| blend(mean, value, factor)); 3]);
}

pub(super) fn saturation(image: &mut RgbImage, factor: f32) {
    for pixel in image.pixels_mut() {
        let gray = gray(pixel.0);
        pixel.0 = pixel.0.map(|value| blend(gray, value, factor));
    }
}

/// Rotates the hue by `turn` of the circle, -0.5 to 0.5, as torchvision does on Pillow images.
pub(super) fn hue(image: &mut RgbImage, turn: f32) {
    let turn = (f64::from(turn) * 255.0) as i32 as u8;
    for pixel in image.pixels_mut() {
        let [h, s, v] = to_hsv(pixel.0);
        pixel.0 = from_hsv([h.wrapping_add(turn), s, v]);
    }
}

fn to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most == least {
        return [0, 0, most];
    }
    let range = f32::from(most - least);
    let away = |value: u8| f32::from(most - value) / range;
    let sixths = if r == most {
        away(b) - away(g)
    } else if g == most {
        (2.0 + f64::from(away(r)) - f64::from(away(b))) as f32
    } else {
        (4.0 + f64::from(away(g)) - f64::from(away(r))) as f32
    };
    let hue = ((f64::from(sixths) / 6.0 + 1.0) % 1.0) as f32;
    let saturation = range / f32::from(most);
    let byte = |value: f32| (f64::from(value) * 255.0) as u8;
    [byte(hue), byte(saturation), most]
}

fn from_hsv([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let place = f64::from(h) * 6.0 / 255.0;
    let sector = place.floor();
    let within = (place - sector) as f32;
    let saturation = (f64::from(s) / 255.0) as f32;
    let value = f64::from(v);
    let dimmed = |share: f64| (value * (1.0 - share)) as f32;
    let p = dimmed(f64::from(saturation)).round() as u8;
    let q = dimmed(f64::from(saturation * within)).round() as u8;
    let t = dimmed(f64::from(saturation) * (1.0 - f64::from(within))).round() as u8;
    match sector as u8 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}

/// Blends with the image smoothed by `[1 1 1; 1 5 1; 1 1 1] / 13`. The border is not smoothed.
pub(super) fn sharpness(image: &mut RgbImage, factor: f32) {
    let (width, height) = image.dimensions();
    let source = image.clone();
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let inside = x > 0 && y > 0 && x + 1 < width && y + 1 < height;
        for (channel, value) in pixel.0.iter_mut().enumerate() {
            let smoothed = match inside {
                true => {
                    let rows = (y - 1..=y + 1).flat_map(|y| (x - 1..=x + 1).map(move |x| (x, y)));
                    let values = rows.map(|(x, y)| u32::from(source.get_pixel(x, y).0[channel]));
                    let sum = values.sum::<u32>() + 4 * u32::from(*value);
                    ((2 * sum + 13) / 26) as u8
                }
                false => *value,
            };
            *value = blend(smoothed, *value, factor);
        }
    }
}

/// Keeps the `bits` highest bits of each value.
pub(super) fn posterize(image: &mut RgbImage, bits: u32) {
    let mask = u8::MAX.checked_shl(8 - bits.min(8)).unwrap_or(0);
    look_up(image, &[table(|value| value & mask); 3]);
}

/// Inverts the values at or above `threshold`.
pub(super) fn solarize(image: &mut RgbImage, threshold: f32) {
    let solarized = |value: u8| match f32::from(value) < threshold {
        true => value,
        false => 255 - value,
    };
    look_up(image, &[table(solarized); 3]);
}

fn histograms(image: &RgbImage) -> [[u32; 256]; 3] {
    let mut histograms = [[0; 256]; 3];
    for pixel in image.pixels() {
        for (histogram, &value) in histograms.iter_mut().zip(&pixel.0) {
            histogram[usize::from(value)] += 1;
        }
    }
    histograms
}

/// Stretches each channel so that its darkest value becomes 0 and its lightest value 255.
pub(super) fn auto_contrast(image: &mut RgbImage) {
    let tables = histograms(image).map(|histogram| {
        let low = histogram.iter().position(|&count| count > 0).unwrap_or(0);
        let high = histogram.iter().rposition(|&count| count > 0).unwrap_or(0);
        if high <= low {
            return table(|value| value);
        }
        let scale = 255.0 / (high - low) as f64;
        let offset = -(low as f64) * scale;
        table(|value| (f64::from(value) * scale + offset) as u8)
    });
    look_up(image, &tables);
}

/// Equalizes the histogram of each channel.
pub(super) fn equalize(image: &mut RgbImage) {
    let tables = histograms(image).map(|histogram| {
        let last = histogram
            .iter()
            .rfind(|&&count| count > 0)
            .copied()
            .unwrap_or(0);
        let step = (histogram.iter().sum::<u32>() - last) / 255;
        if step == 0 {
            return table(|value| value);
        }
        let mut sum = step / 2;
        std::array::from_fn(|value| {
            let level = (sum / step).min(255) as u8;
            sum += histogram[value];
            level
        })
    });
    look_up(image, &tables);
}
