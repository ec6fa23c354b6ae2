//! Lines on two axes, as SVG.

use std::fmt::Write;

use super::axis::Axis;
use super::escape;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 44.0;

/// Colours in the page's style; further lines have the same again, with dashes.
const COLOURS: usize = 8;

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines on two axes.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    /// Points are shown on the lines.
    pub(super) marks: bool,
}

/// From values to places in the picture.
#[derive(Clone, Copy, Debug)]
struct Frame {
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    fn left(&self, at: f64) -> f64 {
        LEFT + (at - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn top(&self, at: f64) -> f64 {
        HEIGHT - BOTTOM - (at - self.y.0) / (self.y.1 - self.y.0) * (HEIGHT - TOP - BOTTOM)
    }
}

impl Plot {
    /// The figure, to be put into a page. A peer has the colour of its place among `peers`, in all plots the same.
    pub(super) fn svg(&self, peers: &[&str]) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let frame = Frame {
            x: self.x.ends(points().map(|point| point.0)),
            y: self.y.ends(points().map(|point| point.1)),
        };
        let title = escape(&self.title);
        let mut svg = format!(
            "<figure><figcaption>{title}</figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">"
        );
        self.axes(&frame, &mut svg);
        let mut legend = String::new();
        for (number, series) in self.series.iter().enumerate() {
            let place = peers.iter().position(|peer| *peer == series.name);
            let class = class(place.unwrap_or(number), &series.name);
            self.line(&frame, series, &class, &mut svg);
            // Writing to a string does not fail, here and below.
            let _written = write!(
                legend,
                "<li><svg width=\"24\" height=\"10\"><path class=\"{class}\" d=\"M0 5H24\"/></svg>{}</li>",
                escape(&series.name)
            );
        }
        let _written = write!(svg, "</svg><ul>{legend}</ul></figure>");
        svg
    }

    fn axes(&self, frame: &Frame, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (at, name) in self.x.ticks(frame.x) {
            let x = frame.left(at);
            let _written = write!(
                svg,
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
                bottom + 16.0
            );
        }
        for (at, name) in self.y.ticks(frame.y) {
            let y = frame.top(at);
            let _written = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                LEFT - 6.0,
                y + 4.0
            );
        }
        let _written = write!(
            svg,
            "<rect class=\"frame\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(13 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            right - LEFT,
            bottom - TOP,
            f64::midpoint(LEFT, right),
            bottom + 36.0,
            self.x.title(),
            f64::midpoint(TOP, bottom),
            self.y.title()
        );
    }

    fn line(&self, frame: &Frame, series: &Series, class: &str, svg: &mut String) {
        let name = escape(&series.name);
        let mut path = String::new();
        let mut marks = String::new();
        for (number, (x, y)) in series.points.iter().enumerate() {
            let (left, top) = (frame.left(self.x.even(*x)), frame.top(self.y.even(*y)));
            let pen = if number == 0 { 'M' } else { 'L' };
            let _written = write!(path, "{pen}{left:.1} {top:.1}");
            if self.marks {
                // What a browser shows when the pointer is there.
                let _written = write!(
                    marks,
                    "<circle class=\"{class}\" cx=\"{left:.1}\" cy=\"{top:.1}\" r=\"3\">\
                     <title>{name}, {}: {}</title></circle>",
                    self.x.name(*x),
                    self.y.name(*y)
                );
            }
        }
        let _written = write!(
            svg,
            "<path class=\"{class}\" d=\"{path}\"><title>{name}</title></path>{marks}"
        );
    }
}

/// How a line looks: a colour, dashes, and more weight for what the page is about.
fn class(place: usize, name: &str) -> String {
    let colour = place.checked_rem(COLOURS).unwrap_or_default();
    let dashes = place.checked_div(COLOURS).unwrap_or_default();
    let weight = if name.starts_with("doors") {
        " ours"
    } else {
        ""
    };
    format!("line c{colour} d{dashes}{weight}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_line_for_each_series() {
        let series = |name: &str, points: &[(f64, f64)]| Series {
            name: name.into(),
            points: points.to_vec(),
        };
        let plot = Plot {
            title: "a < b".into(),
            x: Axis::Nanos,
            y: Axis::Part,
            series: vec![
                series("one", &[(100.0, 0.5), (200.0, 1.0)]),
                series("two", &[(1e6, 1.0)]),
            ],
            marks: false,
        };
        let svg = plot.svg(&["two"]);
        // Each in the picture and in the legend; the peer that is known has its colour, the other one its place.
        assert_eq!(svg.matches("class=\"line c0 d0\"").count(), 4);
        assert!(svg.contains("a &lt; b") && svg.contains(">two<"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn a_plot_of_nothing_is_a_frame() {
        let plot = Plot {
            title: "empty".into(),
            x: Axis::Bytes,
            y: Axis::Nanos,
            series: vec![],
            marks: true,
        };
        let svg = plot.svg(&[]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
