//! A row a point: the varying keys as columns of a table on the left, the data on the right. It stays
//! legible from one point to [`super::view::ROWS`].

use super::ChartError;
use super::canvas::{Anchor, Canvas};
use super::scale::Scale;
use super::style::{AXIS, GRID, INK, LABEL, MARGIN, MUTED, SMALL, WIDTH};
use super::text::{fit, width};
use super::view::View;
use crate::study::point::Point;

/// The widest that a column of keys gets.
const COLUMN: i32 = 190;
/// Space between columns.
const GUTTER: i32 = 16;
/// Height of the column heads.
const HEADS: i32 = 24;
/// Height of the axis below the rows.
const FOOT: i32 = 56;

/// Where rows and their data lie.
pub struct Rows<'a> {
    view: &'a View,
    points: Vec<&'a Point>,
    columns: Vec<(i32, i32)>,
    top: i32,
    /// Left edge of the data.
    pub left: i32,
    /// Right edge of the data, before the room for values.
    pub right: i32,
    /// Height of a row.
    pub pitch: i32,
}

impl<'a> Rows<'a> {
    /// Lays out the view's rows below `top`, with `room` pixels for values at the right.
    pub fn new(view: &'a View, top: i32, room: i32) -> Self {
        let points = view.rows();
        let pitch = match points.len() {
            0..=16 => 27,
            17..=32 => 21,
            _ => 16,
        };
        let mut x = MARGIN;
        let mut columns = Vec::new();
        for (index, head) in heads(view).iter().enumerate() {
            let widest = points.iter().map(|point| width(&cell(view, point, index), SMALL)).max();
            let wide = widest.unwrap_or(0).max(width(head, SMALL)).min(COLUMN);
            columns.push((x, wide));
            x += wide + GUTTER;
        }
        // Many keys: the data keep at least half of the width.
        let left = x.min(WIDTH / 2);
        Self { view, points, columns, top, left, right: WIDTH - MARGIN - room, pitch }
    }

    /// Height of the whole chart.
    pub fn chart_height(&self) -> i32 {
        self.bottom() + FOOT
    }

    fn bottom(&self) -> i32 {
        self.top + HEADS + self.pitch * self.points.len() as i32 + 4
    }

    /// Every row's point with the vertical centre of its row.
    pub fn iter(&self) -> impl Iterator<Item = (&'a Point, i32)> + '_ {
        let first = self.top + HEADS + self.pitch / 2 + 2;
        self.points
            .iter()
            .enumerate()
            .map(move |(row, point)| (*point, first + self.pitch * row as i32))
    }

    /// Thickness of a bar in a row.
    pub fn thickness(&self) -> i32 {
        self.pitch * 7 / 10
    }

    /// Font size of what stands in a row.
    pub fn font(&self) -> i32 {
        if self.pitch >= 20 { SMALL } else { 11 }
    }

    /// Draws the keys, the grid and the axis with its title. Data are drawn on top of it.
    ///
    /// # Errors
    /// A failure of the backend.
    pub fn draw(&self, canvas: &Canvas<'_>, scale: &Scale, title: &str) -> Result<(), ChartError> {
        self.grid(canvas, scale, title)?;
        let head_y = self.top + HEADS / 2;
        let heads = heads(self.view);
        for (head, &(x, wide)) in heads.iter().zip(&self.columns) {
            if x + width(&fit(head, SMALL, wide), SMALL) <= self.left {
                canvas.text(&fit(head, SMALL, wide), (x, head_y), SMALL, Anchor::Start, MUTED)?;
            }
        }
        let mut previous: Vec<String> = Vec::new();
        for (row, (point, y)) in self.iter().enumerate() {
            let cells: Vec<String> =
                (0..heads.len()).map(|index| cell(self.view, point, index)).collect();
            let fresh = cells
                .iter()
                .zip(&previous)
                .position(|(a, b)| a != b)
                .filter(|_| row > 0)
                .unwrap_or(0);
            if row > 0 && fresh + 1 < cells.len() {
                let edge = y - self.pitch / 2;
                canvas.line(vec![(MARGIN, edge), (WIDTH - MARGIN, edge)], GRID, 1)?;
            }
            for (text, &(x, wide)) in cells.iter().zip(&self.columns).skip(fresh) {
                let room = wide.min(self.left - x - 4);
                if room > 12 {
                    let text = fit(text, self.font(), room);
                    canvas.text(&text, (x, y), self.font(), Anchor::Start, INK)?;
                }
            }
            previous = cells;
        }
        Ok(())
    }

    fn grid(&self, canvas: &Canvas<'_>, scale: &Scale, title: &str) -> Result<(), ChartError> {
        let (top, bottom) = (self.top + HEADS, self.bottom());
        for (value, label) in scale.ticks() {
            let x = scale.place(value);
            canvas.line(vec![(x, top), (x, bottom)], GRID, 1)?;
            canvas.text(&label, (x, bottom + 12), SMALL, Anchor::Middle, MUTED)?;
        }
        canvas.line(vec![(self.left, top), (self.left, bottom)], AXIS, 1)?;
        let middle = (self.left + self.right) / 2;
        let half = (WIDTH - MARGIN / 2 - middle).min(middle - MARGIN / 2);
        let title = fit(title, LABEL, 2 * half);
        canvas.text(&title, (middle, bottom + 36), LABEL, Anchor::Middle, INK)
    }
}

fn heads(view: &View) -> Vec<String> {
    if view.varying.is_empty() {
        return vec!["trace".to_owned()];
    }
    view.varying.iter().map(|key| key.short.clone()).collect()
}

fn cell(view: &View, point: &Point, index: usize) -> String {
    match view.varying.get(index) {
        Some(key) => point.key(&key.path).to_owned(),
        None => point.measured.trace.name.clone(),
    }
}
