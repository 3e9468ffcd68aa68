//! From SVG to PNG, with the fonts that the program carries.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb};

use super::ChartError;

/// DejaVu Sans: free to embed, and wide enough in scope for units and ellipses. Its licence lies
/// beside it.
pub const FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    Arc::new(fonts)
});

/// Draws `svg` as a PNG with `scale` pixels for each of its units.
///
/// # Errors
/// Text that is not SVG, or a picture too large to hold.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, ChartError> {
    let options = usvg::Options { fontdb: Arc::clone(&FONTS), ..usvg::Options::default() };
    let fault = |error: &dyn std::fmt::Display| ChartError(error.to_string());
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| fault(&error))?;
    let size = tree.size().to_int_size().scale_by(scale);
    let size = size.ok_or_else(|| fault(&"an empty picture"))?;
    let mut pixels = Pixmap::new(size.width(), size.height())
        .ok_or_else(|| fault(&"the picture is too large"))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| fault(&error))
}
