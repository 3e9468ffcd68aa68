//! Exponential and logarithm from + − × ÷ alone, which IEEE 754 defines to the last bit: unlike a
//! platform's mathematics library, they give the same bits everywhere.

use std::f64::consts::{LN_2, SQRT_2};

/// ln 2 without its last 20 bits, so that small multiples of it are exact, and the rest.
const LN_2_HIGH: f64 = f64::from_bits(LN_2.to_bits() & !0xf_ffff);
/// ln 2 − `LN_2_HIGH`: the 20 bits, and what of ln 2 lies beyond its double.
const LN_2_LOW: f64 = (LN_2 - LN_2_HIGH) + 2.319_046_813_846_299_6e-17;

/// The natural logarithm of a positive normal number, to a few units in the last place.
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if mantissa > SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh(s); s² < 0.0295, so twelve terms reach 2^-56.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..12).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    let exponent = exponent as f64;
    exponent * LN_2_HIGH + (2.0 * s * series + exponent * LN_2_LOW)
}

/// e to the power of x, for |x| up to 700; beyond, the power of that bound.
pub fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    // |x| ≤ 700, so the quotient is a small integer.
    let twos = (x / LN_2 + if x < 0.0 { -0.5 } else { 0.5 }) as i64;
    let rest = (x - twos as f64 * LN_2_HIGH) - twos as f64 * LN_2_LOW;
    // |rest| ≤ 0.35: Taylor's terms up to the 14th reach 2^-60.
    let series = (1..=14).rev().fold(1.0, |sum, k| 1.0 + sum * rest / f64::from(k));
    series * f64::from_bits(((twos + 1023) as u64) << 52)
}

/// (e^t − 1) / t, also where t is near 0.
pub fn exp_m1_over(t: f64) -> f64 {
    if t > -0.05 && t < 0.05 {
        (2..=10).rev().fold(1.0, |sum, k| 1.0 + sum * t / f64::from(k))
    } else {
        (exp(t) - 1.0) / t
    }
}

/// ln(1 + t) / t for t > −1, also where t is near 0.
pub fn ln_1p_over(t: f64) -> f64 {
    if t > -0.05 && t < 0.05 {
        (1..=14).rev().fold(0.0, |sum, k| 1.0 / f64::from(k) - t * sum)
    } else {
        ln(1.0 + t) / t
    }
}

/// x to the power of y, for positive x.
pub fn pow(x: f64, y: f64) -> f64 {
    exp(y * ln(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: f64, library: f64) {
        assert!((ours - library).abs() <= 4e-15 * library.abs().max(1e-300), "{ours} {library}");
    }

    #[test]
    fn they_agree_with_the_platforms_library() {
        for step in 1..2000 {
            let x = f64::from(step) * 0.0137;
            close(ln(x + 1.0), (x + 1.0).ln());
            close(ln(x * 1e12), (x * 1e12).ln());
            close(exp(x), x.exp());
            close(exp(-x), (-x).exp());
            let t = (f64::from(step) - 1000.0) * 0.0009 + 1e-7;
            close(exp_m1_over(t), t.exp_m1() / t);
            close(ln_1p_over(t), t.ln_1p() / t);
        }
        assert_eq!((ln(1.0), exp(0.0), exp_m1_over(0.0), ln_1p_over(0.0)), (0.0, 1.0, 1.0, 1.0));
    }

    #[test]
    fn their_bits_are_these_everywhere() {
        let sum = (1..1000).fold(0u64, |sum, step| {
            let x = f64::from(step) * 0.7;
            sum.rotate_left(5) ^ ln(x).to_bits() ^ exp(x).to_bits().rotate_left(32)
        });
        assert_eq!(sum, 5_997_624_943_623_164_815);
    }
}
