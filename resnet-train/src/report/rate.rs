//! The figure of a learning rate range test.

use plotters::prelude::*;

use crate::RateSearch;

type Failed = DrawingAreaErrorKind<std::io::Error>;

/// Draws the loss over the learning rate, with the suggested learning rate, as SVG.
pub fn rate_svg(search: &RateSearch) -> String {
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = draw(search, &mut svg);
    svg
}

fn draw(search: &RateSearch, svg: &mut String) -> Result<(), Failed> {
    let root = SVGBackend::with_string(svg, (640, 360)).into_drawing_area();
    root.fill(&WHITE)?;
    let points = &search.points;
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return root.present();
    };
    let start = points.first().map_or(1.0, |point| point.1);
    let least = points
        .iter()
        .fold(f64::INFINITY, |a, &(_, loss)| a.min(loss));
    let room = (start - least).abs().max(1e-3);
    let (low, high) = (least - 0.2 * room, start + room);
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d((first.0..last.0.max(first.0 * 2.0)).log_scale(), low..high)?;
    chart
        .configure_mesh()
        .x_desc("learning rate")
        .y_desc("loss, smoothed")
        .x_label_formatter(&|rate| format!("{rate:.0e}"))
        .light_line_style(TRANSPARENT)
        .draw()?;
    let shown = points.iter().map(|&(rate, loss)| (rate, loss.min(high)));
    let color = Palette99::pick(0).to_rgba();
    chart.draw_series(LineSeries::new(shown, color.stroke_width(2)))?;
    if let Some(rate) = search.suggestion() {
        let mark = Palette99::pick(1).to_rgba();
        let line = [(rate, low), (rate, high)];
        chart
            .draw_series(LineSeries::new(line, mark.stroke_width(2)))?
            .label(format!("suggested: {rate:.1e}"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], mark.stroke_width(2)));
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.2))
            .draw()?;
    }
    root.present()
}
