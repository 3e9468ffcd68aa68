//! From sampled references to the misses of every size, with a confidence interval.

/// Parts of the sampled pages or lines that are looked at alone, to see how far they differ.
pub const GROUPS: usize = 16;
/// The 0.975 quantile of Student's t distribution with `GROUPS` − 1 degrees of freedom.
const T: f64 = 2.131_449_545_559_323;

/// log2 of the steps from a power of two to the next in which a size is looked for.
const STEP_BITS: u32 = 3;
/// Bits of a double's mantissa.
const MANTISSA: u32 = 52;
/// What is added to a double's exponent.
const BIAS: u64 = 1023;
/// Steps up to 2^59, above every size.
const STEPS: usize = 60 << STEP_BITS;

/// Sizes, and what they are in a sample.
#[derive(Debug, Clone)]
pub struct Sizes {
    sizes: Vec<u64>,
    /// Each size times the rate.
    scaled: Vec<f64>,
    /// For every step of an unscaled size: a place at which, or after which, the larger sizes start.
    starts: Vec<u32>,
    rate: f64,
}

/// The step that `size` lies in.
#[inline]
fn step(size: f64) -> usize {
    let steps = size.max(1.0).to_bits() >> (MANTISSA - STEP_BITS);
    ((steps - (BIAS << STEP_BITS)) as usize).min(STEPS - 1)
}

impl Sizes {
    /// `sizes`, which ascend, at a rate of 1.
    pub fn new(sizes: &[u64]) -> Self {
        let start = |step: usize| {
            let low = f64::from_bits((step as u64 + (BIAS << STEP_BITS)) << (MANTISSA - STEP_BITS));
            // One less: a size at the very start of a step may be larger by rounding.
            sizes.partition_point(|size| *size as f64 <= low).saturating_sub(1) as u32
        };
        // What is below 1 lies in the first step too.
        let starts = (0..STEPS).map(|step| if step == 0 { 0 } else { start(step) }).collect();
        let mut all = Self { sizes: sizes.to_vec(), scaled: Vec::new(), starts, rate: 1.0 };
        all.rescale(1.0);
        all
    }

    /// Changes the rate.
    pub fn rescale(&mut self, rate: f64) {
        self.rate = rate;
        self.scaled.clear();
        self.scaled.extend(self.sizes.iter().map(|size| *size as f64 * rate));
    }

    /// The sizes.
    pub fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// The rate.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// How many sizes are at most `distance` in the sample.
    #[inline]
    fn up_to(&self, distance: f64) -> usize {
        let mut place = self.starts[step(distance / self.rate)] as usize;
        while self.scaled.get(place).is_some_and(|size| *size <= distance) {
            place += 1;
        }
        place
    }
}

/// Misses at some sizes, added up over sampled references.
///
/// Of n others that were used in between, a sample at rate r has seen about n·r: a reference with a
/// sampled distance of d stands for distances from d/r to (d + 1)/r, evenly. At a rate of 1 that is d
/// itself.
#[derive(Debug, Clone)]
pub struct Misses {
    /// The weight of references that miss at every size.
    first: f64,
    /// At a size's place: the weight of references that miss at all smaller sizes, and hit or partly hit
    /// from it on.
    below: Vec<f64>,
    /// At a size's place: the misses of references that partly hit there.
    partly: Vec<f64>,
}

impl Misses {
    /// None yet at `sizes` sizes.
    pub fn new(sizes: usize) -> Self {
        Self { first: 0.0, below: vec![0.0; sizes + 1], partly: vec![0.0; sizes] }
    }

    /// Adds a reference with the sampled distance `distance`, in a sample that is `parts` times thinner
    /// than that of `sizes`. It stands for `weight` references.
    #[inline]
    pub fn add(&mut self, distance: Option<u32>, parts: f64, sizes: &Sizes, weight: f64) {
        let Some(distance) = distance else {
            self.first += weight;
            return;
        };
        let (low, high) = (f64::from(distance) * parts, (f64::from(distance) + 1.0) * parts);
        let from = sizes.up_to(low);
        self.below[from] += weight;
        for (size, misses) in sizes.scaled[from..].iter().zip(&mut self.partly[from..]) {
            if *size >= high {
                break;
            }
            *misses += weight * (high - size) / parts;
        }
    }

    /// The misses at every size.
    pub fn totals(&self) -> Vec<f64> {
        let mut above = self.first;
        let mut totals = vec![0.0; self.partly.len()];
        for (place, total) in totals.iter_mut().enumerate().rev() {
            above += self.below[place + 1];
            *total = above + self.partly[place];
        }
        totals
    }
}

/// Half the width of the 95 % interval around an estimate, where each of `groups`, a [`GROUPS`]th of a
/// sample taken at `rate`, gave an estimate of its own (the method of random groups, Wolter 2007,
/// chapter 2): t · s / √k, with the correction for a finite population, of which √(1 − rate) is left.
pub fn half_width(groups: &[f64; GROUPS], rate: f64) -> f64 {
    let count = GROUPS as f64;
    let mean = groups.iter().sum::<f64>() / count;
    let squares: f64 = groups.iter().map(|one| (one - mean) * (one - mean)).sum();
    T * (squares / (count - 1.0) / count * (1.0 - rate).max(0.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_a_rate_of_one_a_distance_is_itself() {
        let sizes = Sizes::new(&[1, 2, 4, 8]);
        let mut misses = Misses::new(4);
        for distance in [0, 1, 1, 3, 4, 9] {
            misses.add(Some(distance), 1.0, &sizes, 1.0);
        }
        misses.add(None, 1.0, &sizes, 1.0);
        assert_eq!(misses.totals(), [6.0, 4.0, 3.0, 2.0]);
    }

    #[test]
    fn a_sampled_distance_is_spread_over_what_it_stands_for() {
        // A rate of 1/4: distance 1 stands for 4 to 8, a half of it misses at 6.
        let mut sizes = Sizes::new(&[3, 4, 6, 8]);
        sizes.rescale(0.25);
        let mut misses = Misses::new(4);
        misses.add(Some(1), 1.0, &sizes, 4.0);
        assert_eq!(misses.totals(), [4.0, 4.0, 2.0, 0.0]);
        // The same by a half of that sample: distance 1 stands for 8 to 16.
        let mut misses = Misses::new(4);
        misses.add(Some(1), 2.0, &sizes, 8.0);
        assert_eq!(misses.totals(), [8.0, 8.0, 8.0, 8.0]);
    }

    #[test]
    fn sizes_are_found_where_they_lie() {
        let mut sizes = Sizes::new(&[1, 2, 3, 5, 8, 9, 1000, 1001, 1 << 20, 1 << 57]);
        for rate in [1.0, 0.37, 0.01, 1e-7] {
            sizes.rescale(rate);
            let scaled = sizes.scaled.clone();
            let near = scaled.iter().flat_map(|size| [size * 0.999, *size, size * 1.001]);
            for distance in near.chain((0..100).map(f64::from)) {
                let expected = scaled.partition_point(|size| *size <= distance);
                assert_eq!(sizes.up_to(distance), expected, "{distance} at {rate}");
            }
        }
    }

    #[test]
    fn groups_that_agree_leave_no_doubt() {
        assert_eq!(half_width(&[3.0; GROUPS], 0.01), 0.0);
        let mut groups = [0.0; GROUPS];
        groups[..8].fill(2.0);
        // The variance of the mean is 16/15/16.
        let expected = T * (1.0f64 / 15.0).sqrt();
        assert!((half_width(&groups, 0.0) - expected).abs() < 1e-12);
        assert_eq!(half_width(&groups, 1.0), 0.0);
    }
}
