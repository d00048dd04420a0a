//! Training curves.

use std::ops::Range;

use plotters::prelude::*;

use super::Row;

type Failed = DrawingAreaErrorKind<std::io::Error>;

const WIDTH: u32 = 960;
const HEIGHT: u32 = 360;

/// Draws loss (training and validation) and accuracy over the epochs as SVG. The epochs of all
/// phases share one axis.
pub fn curves_svg(rows: &[Row]) -> String {
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = draw(rows, &mut svg);
    svg
}

fn draw(rows: &[Row], svg: &mut String) -> Result<(), Failed> {
    let root = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(WIDTH / 2);
    let train: Vec<f64> = rows.iter().map(|row| row.train_loss).collect();
    let valid: Vec<f64> = rows.iter().map(|row| row.valid_loss).collect();
    let finite = train.iter().chain(&valid).filter(|loss| loss.is_finite());
    let most = finite.fold(0.0, |most: f64, &loss| most.max(loss));
    panel(
        &left,
        "loss",
        0.0..most.max(1e-3) * 1.05,
        &[("training", &train), ("validation", &valid)],
        SeriesLabelPosition::UpperRight,
    )?;
    let top1: Vec<f64> = rows.iter().map(|row| 100.0 * row.top1).collect();
    panel(
        &right,
        "top-1, %",
        0.0..100.0,
        &[("validation", &top1)],
        SeriesLabelPosition::LowerRight,
    )?;
    root.present()
}

/// Draws the training loss, and the average precisions or the IoU over the epochs as SVG.
#[cfg(feature = "dense")]
pub fn dense_curves_svg(rows: &[super::DenseRow]) -> String {
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = draw_dense(rows, &mut svg);
    svg
}

#[cfg(feature = "dense")]
fn draw_dense(rows: &[super::DenseRow], svg: &mut String) -> Result<(), Failed> {
    const SHOWN: [&str; 5] = ["box AP", "box AP50", "mask AP", "keypoint AP", "mean IoU"];
    let root = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(WIDTH / 2);
    let train: Vec<f64> = rows.iter().map(|row| row.train_loss).collect();
    let finite = train.iter().filter(|loss| loss.is_finite());
    let most = finite.fold(0.0, |most: f64, &loss| most.max(loss));
    panel(
        &left,
        "loss",
        0.0..most.max(1e-3) * 1.05,
        &[("training", &train)],
        SeriesLabelPosition::UpperRight,
    )?;
    let line = |name: &&str| -> Vec<f64> {
        let value = |row: &super::DenseRow| row.metrics.get(*name).map(|value| 100.0 * value);
        rows.iter()
            .map(|row| value(row).unwrap_or(f64::NAN))
            .collect()
    };
    let lines: Vec<(&str, Vec<f64>)> = SHOWN.iter().map(|name| (*name, line(name))).collect();
    let drawn = |(_, values): &&(&str, Vec<f64>)| values.iter().any(|value| value.is_finite());
    let lines: Vec<(&str, &[f64])> = lines
        .iter()
        .filter(drawn)
        .map(|(name, values)| (*name, values.as_slice()))
        .collect();
    panel(
        &right,
        "validation, %",
        0.0..100.0,
        &lines,
        SeriesLabelPosition::LowerRight,
    )?;
    root.present()
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn panel(
    area: &Area<'_>,
    title: &str,
    y: Range<f64>,
    lines: &[(&str, &[f64])],
    legend: SeriesLabelPosition,
) -> Result<(), Failed> {
    let epochs = lines.first().map_or(0, |(_, values)| values.len());
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(1.0..(epochs as f64).max(2.0), y)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .x_labels(epochs.clamp(2, 10))
        .x_label_formatter(&|epoch| format!("{epoch:.0}"))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (i, (name, values)) in lines.iter().enumerate() {
        let color = Palette99::pick(i).to_rgba();
        let points = values.iter().enumerate();
        let points = points.map(|(epoch, &value)| (epoch as f64 + 1.0, value));
        let points = points.filter(|(_, value)| value.is_finite());
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(legend)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()
}
