//! From the arguments to what the library is asked for.

use analysis::curve::geometry::MOST_SETS;
use analysis::curve::policy::Choice;
use analysis::curve::sample::Sampling;
use analysis::curve::{Level, Shapes, Spec, sizes};
use anyhow::bail;
use model::units::ByteSize;

use super::Args;

/// Sets of `--geometry` without a value: every power of two up to this.
const DEFAULT_SETS: u32 = 1024;
/// Ways of `--geometry` without `--ways`.
const DEFAULT_WAYS: u32 = 16;
/// The most entries of one geometry.
const MOST_ENTRIES: u64 = 1 << 26;

impl Args {
    /// What the arguments ask for.
    pub(super) fn spec(&self) -> anyhow::Result<Spec> {
        let entry = self.entry()?;
        let sizes = self.sizes.as_deref().map(|text| sizes::parse(text, entry)).transpose();
        let sizes = sizes.map_err(|message| anyhow::anyhow!("--sizes: {message}"))?;
        Ok(Spec {
            level: self.level.level(),
            shift: entry.trailing_zeros(),
            stream: self.stream.stream(),
            sizes,
            sampling: self.sampling()?,
            shapes: self.shapes()?,
            first: self.behind,
            policies: self.policies()?,
            seed: self.seed,
        })
    }

    /// Bytes of a page or line.
    fn entry(&self) -> anyhow::Result<u64> {
        let (name, given, other, default, range) = match self.level.level() {
            Level::Line => ("--line-size", self.line_size, self.page_size, 64, 2..=1 << 16),
            Level::Page | Level::Tlb => {
                ("--page-size", self.page_size, self.line_size, 4096, 64..=1 << 30)
            }
        };
        if other.is_some() {
            let level = self.level.level().name();
            bail!("the size of an entry of --level {level} is set by {name}");
        }
        let bytes = given.map_or(default, |size| size.0);
        if !bytes.is_power_of_two() || !range.contains(&bytes) {
            let (least, most) = (ByteSize(*range.start()), ByteSize(*range.end()));
            bail!(
                "{name}: expected a power of two from {least} to {most}, found {}",
                ByteSize(bytes)
            );
        }
        Ok(bytes)
    }

    fn sampling(&self) -> anyhow::Result<Option<Sampling>> {
        let size = self.sample_size.map(|size| size as usize);
        let rate = match (self.sample, size) {
            (None, None) => return Ok(None),
            (rate, _) => rate.unwrap_or(1.0),
        };
        if !(rate > 0.0 && rate <= 1.0) {
            bail!("--sample: expected a rate above 0 and at most 1, found {rate}");
        }
        // Everything at a fixed rate of 1 is no sample.
        Ok((rate < 1.0 || size.is_some()).then_some(Sampling { rate, size }))
    }

    fn shapes(&self) -> anyhow::Result<Option<Shapes>> {
        let Some(text) = &self.geometry else { return Ok(None) };
        let ways = self.ways.unwrap_or(DEFAULT_WAYS);
        let sets = match text.as_str() {
            "" => (0..=DEFAULT_SETS.ilog2()).map(|power| 1 << power).collect(),
            text => text.split(',').map(sets).collect::<anyhow::Result<Vec<u32>>>()?,
        };
        if sets.len() > MOST_SETS {
            bail!("--geometry: at most {MOST_SETS} numbers of sets, found {}", sets.len());
        }
        if let Some(most) = sets.iter().max()
            && u64::from(*most) * u64::from(ways) > MOST_ENTRIES
        {
            bail!("--geometry: {most} sets of {ways} ways are more than {MOST_ENTRIES} entries");
        }
        Ok(Some(Shapes { sets, ways }))
    }

    fn policies(&self) -> anyhow::Result<Vec<Choice>> {
        let mut choices: Vec<Choice> = Vec::new();
        for text in &self.policy {
            // A table has commas of its own.
            let parts: Vec<&str> = match text.trim().starts_with('{') {
                true => vec![text],
                false => text.split(',').collect(),
            };
            for part in parts {
                let choice =
                    Choice::parse(part).map_err(|error| anyhow::anyhow!("--policy: {error}"))?;
                if choices.iter().any(|known| known.setting == choice.setting) {
                    bail!("--policy: `{}` is given twice", choice.label);
                }
                choices.push(choice);
            }
        }
        Ok(choices)
    }
}

fn sets(text: &str) -> anyhow::Result<u32> {
    match text.trim().parse() {
        Ok(0) | Err(_) => {
            bail!("--geometry: expected numbers of sets, such as 16,64,128, found `{text}`")
        }
        Ok(sets) => Ok(sets),
    }
}
