use super::*;

fn gray(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb([100; 3]))
}

#[test]
fn a_box_has_the_color_of_its_class_and_leaves_the_inside() {
    let object = Annotation {
        bounds: [50.0, 60.0, 250.0, 300.0],
        text: "cat 0.98".into(),
        color: 2,
        ..Annotation::default()
    };
    let drawn = annotate(&gray(400, 400), &[object], &[]);
    assert_eq!(drawn.dimensions(), (400, 400));
    assert_eq!(*drawn.get_pixel(50, 200), color(2));
    assert_eq!(*drawn.get_pixel(150, 300), color(2));
    assert_eq!(*drawn.get_pixel(150, 200), Rgb([100; 3]));
    // The text is above the box, in black or white on the color.
    let above = (50..150).flat_map(|x| (20..60).map(move |y| (x, y)));
    let (Rgb(ink), Rgb(paper)) = (contrast(color(2)), color(2));
    let inked = above.filter(|&(x, y)| {
        let Rgb([_, found, _]) = *drawn.get_pixel(x, y);
        found.abs_diff(ink[1]) < found.abs_diff(paper[1])
    });
    let inked = inked.count();
    assert!((60..1000).contains(&inked), "{inked}");
}

#[test]
fn masks_are_translucent_with_an_outline() {
    let mask = Region {
        left: 10,
        top: 20,
        width: 30,
        pixels: vec![true; 30 * 40],
    };
    let object = Annotation {
        mask: Some(mask),
        bounds: [-10.0, -10.0, -5.0, -5.0],
        ..Annotation::default()
    };
    let drawn = annotate(&gray(400, 400), &[object], &[]);
    assert_eq!(*drawn.get_pixel(10, 30), color(0));
    let inside = *drawn.get_pixel(25, 40);
    assert!(inside != color(0) && inside != Rgb([100; 3]));
    assert_eq!(*drawn.get_pixel(45, 40), Rgb([100; 3]));
}

#[test]
fn small_images_are_enlarged_and_hostile_boxes_are_harmless() {
    let object = |bounds| Annotation {
        bounds,
        text: "a text that is wider than the image, even after it is enlarged".into(),
        keypoints: vec![Some([f32::NAN, 1.0]), None, Some([f32::INFINITY, -1e30])],
        ..Annotation::default()
    };
    let bounds = [
        [f32::NAN; 4],
        [f32::NEG_INFINITY, -1e30, 1e30, f32::INFINITY],
        [5.0, 5.0, 1.0, 1.0],
    ];
    let objects: Vec<_> = bounds.map(object).into();
    let drawn = annotate(&gray(33, 20), &objects, &[[0, 2], [1, 2], [7, 9]]);
    assert_eq!(drawn.dimensions(), (33 * 16, 20 * 16));
    assert_eq!(
        annotate(&gray(1, 1), &objects, &[]).dimensions(),
        (320, 320)
    );
    assert_eq!(
        annotate(&gray(5000, 1), &objects, &[]).dimensions(),
        (5000, 1)
    );
}

#[test]
fn the_overlay_leaves_the_background_and_the_legend_names_colors() {
    let classes: Vec<u16> = (0..400 * 400).map(|i| u16::from(i % 400 >= 200)).collect();
    let drawn = overlay(&gray(400, 400), &classes);
    assert_eq!(*drawn.get_pixel(50, 50), Rgb([100; 3]));
    assert_ne!(*drawn.get_pixel(300, 50), Rgb([100; 3]));
    let entries = ["cat", "dog"].map(|text| LegendEntry {
        color: 0,
        text: text.into(),
    });
    let drawn = with_legend(&drawn, &entries);
    assert_eq!(drawn.width(), 400);
    assert!(drawn.height() > 400);
    let below = drawn.enumerate_pixels().filter(|(_, y, _)| *y >= 400);
    assert!(below.filter(|(.., pixel)| **pixel == color(0)).count() > 200);
}

#[test]
fn a_region_is_the_smallest_rectangle_of_an_object() {
    let mut pixels = vec![false; 4 * 5];
    for (y, x) in [(1, 2), (1, 3), (2, 1)] {
        pixels[y * 5 + x] = true;
    }
    let region = Region::within(&pixels, [4, 5]).unwrap();
    assert_eq!([region.left, region.top, region.width], [1, 1, 3]);
    assert_eq!(region.pixels, [false, true, true, true, false, false]);
    assert_eq!(Region::within(&[false; 20], [4, 5]), None);
    assert_eq!(Region::within(&[], [0, 0]), None);
}
