//! A line in a square, as SVG: enough for one figure in the documentation.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 56.0;
const BELOW: f64 = 44.0;
const RIGHT: f64 = 16.0;
const ABOVE: f64 = 36.0;

/// A figure: what it shows, what its axes are, and its points.
pub struct Plot<'a> {
    pub title: &'a str,
    pub across: &'a str,
    pub up: &'a str,
    pub points: &'a [(f64, f64)],
}

impl Plot<'_> {
    /// The whole file.
    pub fn svg(&self) -> String {
        let most =
            |of: fn(&(f64, f64)) -> f64| round_up(self.points.iter().map(of).fold(0.0, f64::max));
        let (x_most, y_most) = (most(|p| p.0), most(|p| p.1));
        let x = |v: f64| LEFT + v / x_most * (WIDTH - LEFT - RIGHT);
        let y = |v: f64| HEIGHT - BELOW - v / y_most * (HEIGHT - BELOW - ABOVE);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"20\" font-weight=\"bold\">{}</text>\n",
            self.title
        );
        for step in 0..=4 {
            let part = f64::from(step) / 4.0;
            let (vx, vy) = (x_most * part, y_most * part);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {0:.1}H{1}\" stroke=\"#ddd\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{vy:.0}</text><text x=\"{4:.1}\" y=\"{5}\" text-anchor=\"middle\">{vx:.0}</text>",
                y(vy),
                WIDTH - RIGHT,
                LEFT - 6.0,
                y(vy) + 4.0,
                x(vx),
                HEIGHT - BELOW + 18.0,
            );
        }
        let line: Vec<String> = self
            .points
            .iter()
            .map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"#a02020\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for (vx, vy) in self.points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"#a02020\"><title>{vx}: {vy:.2}</title></circle>",
                x(*vx),
                y(*vy)
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n<text x=\"14\" y=\"{:.0}\" transform=\"rotate(-90 14 {3:.0})\" text-anchor=\"middle\">{}</text>\n</svg>",
            (LEFT + WIDTH) / 2.0,
            HEIGHT - 8.0,
            self.across,
            HEIGHT / 2.0,
            self.up
        );
        svg
    }
}

/// The next number whose quarters are round.
fn round_up(most: f64) -> f64 {
    let step = [
        4.0, 8.0, 12.0, 20.0, 40.0, 80.0, 120.0, 200.0, 240.0, 400.0, 800.0, 1200.0, 2000.0,
    ];
    step.into_iter().find(|s| *s >= most).unwrap_or(most)
}
