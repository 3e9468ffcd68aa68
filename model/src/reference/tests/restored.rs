//! A simulator that is encoded and decoded between two batches goes on as if nothing had happened.

use bincode::config::standard;
use tracegen::batch::Batch;

use super::dice::Dice;
use super::{batches, machine, trace};
use crate::config::Config;
use crate::function::{SimulationError, Simulator};
use crate::os::settings::Prefault;
use crate::outcome::Outcomes;
use crate::statistics::Statistics;

/// How many machines are tried.
const CASES: u64 = 800;

fn coded(simulator: &Simulator) -> Vec<u8> {
    bincode::encode_to_vec(simulator, standard()).unwrap()
}

fn decoded(bytes: &[u8]) -> Simulator {
    let (simulator, length) = bincode::decode_from_slice(bytes, standard()).unwrap();
    assert_eq!(length, bytes.len());
    simulator
}

/// Everything that a run says, and the state that it ends with.
#[derive(Debug, PartialEq)]
struct Ran {
    outcomes: Outcomes,
    statistics: Statistics,
    error: Option<String>,
    state: Vec<u8>,
}

/// Runs `list`; before batch `cut` the simulator is replaced by what its bytes say.
fn run(config: &Config, list: &[Batch], seed: u64, cut: Option<usize>) -> Option<Ran> {
    let mut simulator = Simulator::new(config, seed).ok()?;
    if config.os.prefault == Prefault::Accessed {
        list.iter().try_for_each(|batch| simulator.prefault(batch)).ok()?;
        simulator.prefaulted().ok()?;
    }
    let (mut outcomes, mut error) = (Outcomes::default(), None);
    for (at, batch) in list.iter().enumerate() {
        if cut == Some(at) {
            assert!(simulator.is_warming());
            simulator = decoded(&coded(&simulator)).restored(config, seed).unwrap();
        }
        if let Err(why) = simulator.process(batch, &mut outcomes) {
            error = Some(why.to_string());
            break;
        }
    }
    simulator.finish(&mut outcomes);
    let mut statistics = Statistics::default();
    simulator.report(&mut statistics);
    Some(Ran { outcomes, statistics, error, state: coded(&simulator) })
}

#[test]
fn a_restored_simulator_goes_on_as_the_one_that_was_kept() {
    let mut finished = 0;
    for case in 0..CASES {
        let mut dice = Dice::new(case);
        let text = machine::random(&mut dice);
        let config: Config = toml::from_str(&text).unwrap();
        let Ok(config) = config.resolve() else { continue };
        let records = trace::random(&mut dice, &config);
        let list = batches(&records, &config, 1 + dice.below(40) as usize);
        let cut = dice.below(list.len() as u64) as usize;
        let whole = run(&config, &list, case, None);
        let parts = run(&config, &list, case, Some(cut));
        assert!(whole == parts, "case {case}, batch {cut}\n{text}");
        finished += u64::from(whole.is_some_and(|ran| ran.error.is_none()));
    }
    assert!(finished > CASES / 2, "{finished}");
}

#[test]
fn a_state_of_another_machine_is_refused() {
    let config = |text: &str| toml::from_str::<Config>(text).unwrap().resolve().unwrap();
    let (one, other) = (config(""), config("mmu.page_size = \"2MiB\""));
    let bytes = coded(&Simulator::new(&one, 1).unwrap());
    assert!(decoded(&bytes).restored(&one, 1).is_ok());
    let refused = decoded(&bytes).restored(&other, 1);
    assert!(matches!(refused, Err(SimulationError::OtherMachine)));
    assert!(bincode::decode_from_slice::<Simulator, _>(&bytes[..99], standard()).is_err());
}
