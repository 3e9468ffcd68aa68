//! What the components of a machine cost: beside its own time half, one for each component where that is
//! perfect, over the same outcomes.

use model::config::{Config, InvalidSetting};
use model::outcome::Outcomes;
use model::statistics::{Histogram, Statistics, Value};
use model::time::Timing;
use model::time::ideal::Component;

use crate::pipeline::TimeHalf;
use crate::sample::Timed;

/// A machine's time half and its ideals.
pub struct WithIdeals {
    own: Timing,
    /// By the component that is perfect.
    ideals: Vec<(String, Timing)>,
}

impl WithIdeals {
    /// Idle ones of `config`, for every component that it has.
    ///
    /// # Errors
    /// A timing setting that makes no sense.
    pub fn new(config: &Config) -> Result<Self, InvalidSetting> {
        let ideal = |component: Component| {
            let timing = Timing::ideal(config, component)?;
            Ok((component.name(config).to_owned(), timing))
        };
        let ideals = Component::all(config).into_iter().map(ideal).collect::<Result<_, _>>()?;
        Ok(Self { own: Timing::new(config)?, ideals })
    }
}

impl TimeHalf for WithIdeals {
    fn process(&mut self, outcomes: &Outcomes) {
        self.own.process(outcomes);
        self.ideals.iter_mut().for_each(|(_, timing)| timing.process(outcomes));
    }

    fn finish(&mut self) {
        self.own.finish();
        self.ideals.iter_mut().for_each(|(_, timing)| timing.finish());
    }
}

impl Timed for WithIdeals {
    fn report(&self, out: &mut Statistics) {
        self.own.report(out);
        for (name, timing) in &self.ideals {
            let mut its = Statistics::default();
            timing.report(&mut its);
            if let Some(Value::Count(cycles)) = its.get("run.cycles") {
                let doc = "Cycles of the run were this component perfect";
                out.count(format!("ideal.{name}.cycles"), "cycles", doc, cycles);
            }
        }
    }

    fn histograms(&self) -> Vec<(&'static str, Histogram)> {
        self.own.histograms()
    }

    fn whole(&mut self) -> Option<&mut Timing> {
        Some(&mut self.own)
    }
}
