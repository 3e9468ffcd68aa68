//! The sizes at which a curve is given.

use model::units::ByteSize;

/// The largest size: no trace touches more.
const MOST: u64 = 1 << 58;

/// Sizes where nothing else is asked for: the powers of two and what lies halfway between them.
pub const PER_OCTAVE: u64 = 2;
/// The powers of two alone: for what costs something a size.
pub const OCTAVES: u64 = 1;
/// Sizes of the curve that a chart draws.
pub const FINE: u64 = 8;

/// Reads `--sizes`: numbers of entries, or sizes of the memory that entries of `entry` bytes cover, such as
/// `64,1536,256MiB`. Sorted, each once.
///
/// # Errors
/// Something else stands there, 0, or a part of an entry.
pub fn parse(text: &str, entry: u64) -> Result<Vec<u64>, String> {
    let mut sizes =
        text.split(',').map(|part| one(part.trim(), entry)).collect::<Result<Vec<_>, _>>()?;
    sizes.sort_unstable();
    sizes.dedup();
    Ok(sizes)
}

fn one(text: &str, entry: u64) -> Result<u64, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let size: ByteSize = text.parse().map_err(|_| {
        format!("`{text}` is not a size: expected a number of entries, such as 1536, or the memory that they cover, such as 6MiB")
    })?;
    let entries = match plain {
        true => size.0,
        false if size.0.is_multiple_of(entry) => size.0 / entry,
        false => {
            return Err(format!("`{text}` is not a multiple of an entry's {}", ByteSize(entry)));
        }
    };
    match entries {
        0 => Err("a size must be at least 1 entry".to_owned()),
        _ if entries > MOST => Err(format!("`{text}` is beyond every address space")),
        _ => Ok(entries),
    }
}

/// `per_octave` sizes from each power of two to the next, whole numbers, each once.
pub fn grid(per_octave: u64) -> Vec<u64> {
    let octave = |power: u32| {
        (0..per_octave).map(move |step| (1u64 << power) + ((step << power) / per_octave))
    };
    let mut sizes: Vec<u64> = (0..MOST.ilog2()).flat_map(octave).collect();
    sizes.dedup();
    sizes
}

/// The part of `grid` up to `footprint`, which ends it: what is larger holds everything too.
pub fn up_to(grid: &[u64], footprint: u64) -> Vec<u64> {
    let below = grid.iter().copied().filter(|size| *size < footprint);
    below.chain((footprint > 0).then_some(footprint)).collect()
}

/// The part of `grid` up to the first size that is not below `footprint`.
pub fn covering(grid: &[u64], footprint: f64) -> usize {
    let below = grid.partition_point(|size| (*size as f64) < footprint);
    (below + 1).min(grid.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_or_what_they_cover() {
        assert_eq!(parse("1536, 64,128,64", 4096), Ok(vec![64, 128, 1536]));
        assert_eq!(parse("1MiB,1_000", 4096), Ok(vec![256, 1000]));
        assert_eq!(parse("32KiB", 64), Ok(vec![512]));
        for (text, part) in [
            ("", "`` is not a size"),
            ("64,x", "`x` is not a size"),
            ("64KB", "`64KB` is not a size"),
            ("0", "at least 1"),
            ("6KiB", "not a multiple of an entry's 4KiB"),
            ("-1", "`-1` is not a size"),
            ("99999999999999999999", "is not a size"),
            ("9999999999999999999", "beyond"),
        ] {
            let refused = parse(text, 4096).unwrap_err();
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }

    #[test]
    fn grids_are_even_on_a_logarithmic_axis() {
        assert_eq!(&grid(PER_OCTAVE)[..8], [1, 2, 3, 4, 6, 8, 12, 16]);
        assert_eq!(&grid(OCTAVES)[..4], [1, 2, 4, 8]);
        assert!(grid(FINE).is_sorted_by(|a, b| a < b));
        assert_eq!(up_to(&grid(OCTAVES), 100), [1, 2, 4, 8, 16, 32, 64, 100]);
        assert_eq!(up_to(&grid(OCTAVES), 64), [1, 2, 4, 8, 16, 32, 64]);
        assert!(up_to(&grid(OCTAVES), 0).is_empty());
        assert_eq!(covering(&grid(OCTAVES), 100.0), 8);
        assert_eq!(covering(&grid(OCTAVES), 0.0), 1);
    }
}
