//! From SVG to PNG, with the font that the program carries.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg;

use super::ChartError;
use super::outline::outlined;

/// DejaVu Sans: free to embed, and wide enough in scope for units and ellipses. Its licence lies
/// beside it.
pub const FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");

/// Draws `svg` as a PNG with `scale` pixels for each of its units.
///
/// # Errors
/// Text that is not SVG, or a picture too large to hold.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, ChartError> {
    let fault = |error: &dyn std::fmt::Display| ChartError(error.to_string());
    let tree = usvg::Tree::from_str(&outlined(svg)?, &usvg::Options::default())
        .map_err(|error| fault(&error))?;
    let size = tree.size().to_int_size().scale_by(scale);
    let size = size.ok_or_else(|| fault(&"an empty picture"))?;
    let mut pixels = Pixmap::new(size.width(), size.height())
        .ok_or_else(|| fault(&"the picture is too large"))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    encode(&pixels).map_err(|error| fault(&error))
}

/// The file of a picture whose ground is opaque. Charts have few colours: a byte for each texel, squeezed
/// as fast as can be, takes a tenth of the time of the default for four, and less room.
fn encode(pixels: &Pixmap) -> Result<Vec<u8>, png::EncodingError> {
    let (texels, _) = pixels.data().as_chunks::<4>();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, pixels.width(), pixels.height());
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_deflate_compression(png::DeflateCompression::Level(1));
    let data = match indexed(texels) {
        Some((palette, indices)) => {
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_palette(palette);
            indices
        }
        None => {
            encoder.set_color(png::ColorType::Rgb);
            texels.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect()
        }
    };
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&data)?;
    writer.finish()?;
    Ok(bytes)
}

/// The colours of `texels` and the place of each texel's among them; nothing where there are more than a byte
/// can tell apart.
fn indexed(texels: &[[u8; 4]]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut colours: Vec<[u8; 4]> = Vec::new();
    let mut indices = Vec::with_capacity(texels.len());
    let (mut latest, mut index) = (None, 0);
    for texel in texels {
        if latest != Some(texel) {
            let known = colours.iter().position(|colour| colour == texel);
            let at = known.unwrap_or(colours.len());
            if known.is_none() {
                colours.push(*texel);
            }
            (latest, index) = (Some(texel), u8::try_from(at).ok()?);
        }
        indices.push(index);
    }
    let palette = colours.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
    Some((palette, indices))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture with as many colours as `count`, as its file shows it.
    fn shown(count: u32) -> (Vec<u8>, Vec<u8>) {
        let mut pixels = Pixmap::new(40, 30).unwrap();
        let mut expected = Vec::new();
        for (at, texel) in pixels.data_mut().as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let [low, high, ..] = (at as u32 / 3 % count).to_le_bytes();
            *texel = [low, high, 7, 255];
            expected.extend([low, high, 7]);
        }
        let bytes = encode(&pixels).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut found = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut found).unwrap();
        (found, expected)
    }

    #[test]
    fn few_and_many_colours_come_back() {
        for count in [1, 2, 255, 256, 257, 400] {
            let (found, expected) = shown(count);
            assert_eq!(found, expected, "{count} colours");
        }
    }
}
