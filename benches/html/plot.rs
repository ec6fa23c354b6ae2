//! Lines on two axes, as SVG.

use std::fmt::Write;

use super::axis::Axis;

const WIDTH: f64 = 540.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 62.0;

/// Colours that people with any kind of eyes can tell apart (Okabe and Ito), doors' first.
const COLOURS: [&str; 8] = [
    "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a8a00",
];

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
    /// The figure, to be put into a page.
    pub(super) fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let frame = Frame {
            x: self.x.ends(points().map(|point| point.0)),
            y: self.y.ends(points().map(|point| point.1)),
        };
        let title = super::escape(&self.title);
        let mut svg = format!(
            "<figure><figcaption>{title}</figcaption>\
             <svg width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{title}\">"
        );
        self.axes(&frame, &mut svg);
        for (number, series) in self.series.iter().enumerate() {
            let colour = COLOURS.iter().cycle().nth(number).unwrap_or(&"#000000");
            self.line(&frame, series, colour, &mut svg);
            legend(number, self.series.len(), &series.name, colour, &mut svg);
        }
        svg.push_str("</svg></figure>");
        svg
    }

    // Writing to a string does not fail, here and below.
    fn axes(&self, frame: &Frame, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (at, name) in self.x.ticks(frame.x) {
            let x = frame.left(at);
            let _written = write!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
                bottom + 14.0
            );
        }
        for (at, name) in self.y.ticks(frame.y) {
            let y = frame.top(at);
            let _written = write!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                LEFT - 5.0,
                y + 4.0
            );
        }
        let _written = write!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"none\" stroke=\"#999\"/>\
             <text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text transform=\"translate(12 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            right - LEFT,
            bottom - TOP,
            bottom + 28.0,
            self.x.title(),
            f64::midpoint(TOP, bottom),
            self.y.title()
        );
    }

    fn line(&self, frame: &Frame, series: &Series, colour: &str, svg: &mut String) {
        let place = |point: &(f64, f64)| {
            (
                frame.left(self.x.even(point.0)),
                frame.top(self.y.even(point.1)),
            )
        };
        let places: Vec<(f64, f64)> = series.points.iter().map(place).collect();
        svg.push_str("<polyline fill=\"none\" stroke-width=\"1.8\" points=\"");
        for (x, y) in &places {
            let _written = write!(svg, "{x:.1},{y:.1} ");
        }
        let _written = write!(svg, "\" stroke=\"{colour}\"/>");
        if self.marks {
            for (x, y) in &places {
                let _written = write!(
                    svg,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\" fill=\"{colour}\"/>"
                );
            }
        }
    }
}

/// Below the plot, from left to right.
fn legend(number: usize, all: usize, name: &str, colour: &str, svg: &mut String) {
    let place = |number: usize| crate::statistics::float(u64::try_from(number).unwrap_or(0));
    let room = ((WIDTH - LEFT - RIGHT) / place(all.max(1))).min(130.0);
    let (x, y) = (LEFT + room * place(number), HEIGHT - 14.0);
    let _written = write!(
        svg,
        "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"3\"/>\
         <text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
        y - 4.0,
        x + 12.0,
        y - 4.0,
        x + 15.0,
        super::escape(name)
    );
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
        let svg = plot.svg();
        assert_eq!(svg.matches("<polyline").count(), 2);
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
        let svg = plot.svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
