//! The confusion matrix.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use resnet_data::Scores;

use super::escape::visible;

type Failed = DrawingAreaErrorKind<std::io::Error>;

/// The maximum number of classes whose cells have labels.
const WORDS: usize = 40;

/// Draws the confusion matrix as SVG: one row per class, one column per prediction. The color of a
/// cell shows its share of the row.
pub fn confusion_svg(scores: &Scores, classes: &[String]) -> String {
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = draw(scores, classes, &mut svg);
    svg
}

fn draw(scores: &Scores, classes: &[String], svg: &mut String) -> Result<(), Failed> {
    let count = classes.len();
    let words = count <= WORDS;
    let cell: i32 = match count {
        0..=12 => 44,
        13..=WORDS => 28,
        _ => (1200 / count as i32).max(2),
    };
    let longest = classes
        .iter()
        .map(|name| visible(name).chars().count())
        .max()
        .unwrap_or(0);
    let margin = if words {
        24 + 7 * longest.min(24) as i32
    } else {
        24
    };
    let side = (margin + cell * count as i32 + 12) as u32;
    let root = SVGBackend::with_string(svg, (side, side)).into_drawing_area();
    root.fill(&WHITE)?;
    let font = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    root.draw_text("class", &font(12), (4, margin - 14))?;
    root.draw_text("prediction", &font(12), (margin, 4))?;
    for (class, name) in classes.iter().enumerate() {
        let images: u64 = (0..count).map(|other| scores.confused(class, other)).sum();
        let start = |place: usize| margin + cell * place as i32;
        for predicted in 0..count {
            let found = scores.confused(class, predicted);
            if found == 0 {
                continue;
            }
            let share = found as f64 / images.max(1) as f64;
            let (x, y) = (start(predicted), start(class));
            let color = if class == predicted { &BLUE } else { &RED };
            let square = [(x, y), (x + cell - 1, y + cell - 1)];
            root.draw(&Rectangle::new(
                square,
                color.mix(share.sqrt() * 0.8).filled(),
            ))?;
            if words {
                let middle = font(11).pos(Pos::new(HPos::Center, VPos::Center));
                root.draw_text(&found.to_string(), &middle, (x + cell / 2, y + cell / 2))?;
            }
        }
        if words {
            let name: String = visible(name).chars().take(24).collect();
            let right = font(12).pos(Pos::new(HPos::Right, VPos::Center));
            root.draw_text(&name, &right, (margin - 6, start(class) + cell / 2))?;
            let up = font(12)
                .transform(FontTransform::Rotate270)
                .pos(Pos::new(HPos::Left, VPos::Center));
            root.draw_text(&name, &up, (start(class) + cell / 2, margin - 6))?;
        }
    }
    let end = margin + cell * count as i32;
    let frame = Rectangle::new([(margin - 1, margin - 1), (end, end)], BLACK.mix(0.3));
    root.draw(&frame)?;
    root.present()
}
