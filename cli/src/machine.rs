//! The arguments that choose a machine, shared by the verbs that need one.

use analysis::machine::split_set;
use clap::Args;
use model::config::Config;

/// Which machine, and what is set over it.
#[derive(Debug, Clone, Args)]
#[allow(dead_code, reason = "for verbs that simulate")]
pub struct MachineArgs {
    /// The machine: a preset's name (see `faultline preset`) or a TOML file.
    #[arg(long, short, value_name = "FILE")]
    pub config: String,
    #[command(flatten)]
    pub sets: SetArgs,
}

/// `--set path=value`, in the order given.
#[derive(Debug, Clone, Default, Args)]
pub struct SetArgs {
    /// Sets one setting over the file, such as mmu.tlb.stlb.entries=3072; can be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = split_set)]
    pub sets: Vec<(String, String)>,
}

impl SetArgs {
    /// Those of the machine: not `workload.…`.
    pub fn machine(&self) -> Vec<(&str, &str)> {
        let of_machine = |(path, _): &&(String, String)| !path.starts_with("workload.");
        self.sets.iter().filter(of_machine).map(pair).collect()
    }

    /// Those of the workload, without the `workload.` before each.
    #[allow(dead_code, reason = "for verbs that run a workload")]
    pub fn workload(&self) -> Vec<(&str, &str)> {
        self.sets
            .iter()
            .filter_map(|(path, value)| Some((path.strip_prefix("workload.")?, value.as_str())))
            .collect()
    }
}

fn pair(set: &(String, String)) -> (&str, &str) {
    (&set.0, &set.1)
}

impl MachineArgs {
    /// Loads and resolves the machine.
    ///
    /// # Errors
    /// It cannot be found, read or used.
    pub fn load(&self) -> anyhow::Result<Config> {
        Ok(analysis::machine::load(&self.config, &self.sets.machine())?)
    }
}
