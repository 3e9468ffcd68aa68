//! Which bin a chunk of a size belongs to (glibc malloc/malloc.c, `bin_index` and its kin, 64 bits).

/// The smallest chunk (`MINSIZE`).
pub const MINIMUM: u64 = 32;
/// Chunks below this have a bin for each size (`MIN_LARGE_SIZE`).
pub const LARGE: u64 = 1024;
/// The largest chunk that is freed without merging (`DEFAULT_MXFAST`, 64 * SIZE_SZ / 4).
pub const FAST: u64 = 128;
/// The largest chunk that a thread keeps for itself (`tidx2usize (TCACHE_MAX_BINS - 1)` and its header).
pub const CACHED: u64 = 1040;
/// Chunks of a size that it keeps (`TCACHE_FILL_COUNT`).
pub const CACHED_COUNT: u64 = 7;
/// Chunks that wait to be sorted.
pub const UNSORTED: usize = 1;
/// All bins; number 0 is not used.
pub const BINS: usize = 127;
/// Sizes that are freed without merging.
pub const FAST_BINS: usize = 7;
/// Sizes that a thread keeps.
pub const CACHE_BINS: usize = 64;

/// The bin of chunks of `size` bytes.
pub fn bin(size: u64) -> usize {
    let index = if size < LARGE {
        size >> 4
    } else if size >> 6 <= 48 {
        48 + (size >> 6)
    } else if size >> 9 <= 20 {
        91 + (size >> 9)
    } else if size >> 12 <= 10 {
        110 + (size >> 12)
    } else if size >> 15 <= 4 {
        119 + (size >> 15)
    } else if size >> 18 <= 2 {
        124 + (size >> 18)
    } else {
        126
    };
    index as usize
}

/// The number of a size among those that step by 16 from the smallest.
pub fn step(size: u64) -> usize {
    (size.saturating_sub(MINIMUM) >> 4) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_malloc_cs() {
        // The comment above NBINS: 64 bins of size 8 (16 on 64 bits), 32 of 64, 16 of 512, 8 of 4096,
        // 4 of 32768, 2 of 262144, 1 of the rest.
        assert_eq!([32, 48, 1008, 1024, 1088, 3072].map(bin), [2, 3, 63, 64, 65, 96]);
        assert_eq!([3136, 10752, 45056, 163_840, 786_432].map(bin), [97, 112, 120, 124, 126]);
        assert_eq!((bin(u64::MAX), step(32), step(FAST), step(CACHED)), (126, 0, 6, 63));
    }
}
