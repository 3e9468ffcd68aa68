//! `faultline explain`: one translation, step by step.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args as ClapArgs, ValueEnum};
use model::function::Simulator;
use model::outcome::Outcomes;
use tracegen::batch::Batch;
use tracegen::record::{Access, AccessKind};

use crate::machine::MachineArgs;
use crate::output::{self, Format};

const EXAMPLES: &str = "\
Examples:
  faultline explain --config simple-memory-system 0x03d4
  faultline explain --config skylake --sequence 0x1000 0x1008
  faultline explain --config toy-16bit --format json 0x2004

Each address is answered from the machine's initial state, unless --sequence carries the state on.
One address prints one JSON object, several an array.";

/// Explains what an access to each address meets: TLBs, page tables, faults, caches.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    machine: MachineArgs,
    /// Virtual addresses: decimal, 0x hexadecimal or 0b binary.
    #[arg(required = true, value_name = "ADDRESS", value_parser = address)]
    addresses: Vec<u64>,
    /// What the access does.
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// Makes each access after explaining it, so that the next address finds what it left.
    #[arg(long)]
    sequence: bool,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Kind {
    #[default]
    Load,
    Store,
    Fetch,
}

fn address(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    let parsed = if let Some(hex) = lower.strip_prefix("0x") {
        u64::from_str_radix(hex, 16)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        u64::from_str_radix(binary, 2)
    } else {
        lower.parse()
    };
    parsed
        .map_err(|_| "expected a 64-bit address such as 4096, 0x1000 or 0b1000000000000".to_owned())
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.machine.load()?;
    let mut simulator = Simulator::new(&config, 0).context(args.machine.config.clone())?;
    let kind = match args.kind {
        Kind::Load => AccessKind::Load,
        Kind::Store => AccessKind::Store,
        Kind::Fetch => AccessKind::Fetch,
    };
    let mut seen = Vec::with_capacity(args.addresses.len());
    for &addr in &args.addresses {
        check(&config, addr)?;
        seen.push(simulator.inspect(0, kind, addr));
        if args.sequence {
            let mut batch = Batch::new();
            batch.push_access(Access { kind, addr, size: 1, ..Access::default() });
            simulator.process(&batch, &mut Outcomes::default())?;
        }
    }
    match (args.format, seen.as_slice()) {
        (Format::Json, [one]) => output::print_json(one)?,
        (Format::Json, many) => output::print_json(&many)?,
        (Format::Table, many) => {
            let texts: Vec<_> =
                many.iter().map(|seen| analysis::explain::text(&config, seen)).collect();
            output::print(&texts.join("\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses an address that has more bits than the machine's virtual addresses.
fn check(config: &model::config::Config, addr: u64) -> anyhow::Result<()> {
    let bits = u32::from(config.mmu.va_bits.unwrap_or(64));
    let high = addr.checked_shr(bits.saturating_sub(1)).unwrap_or(0);
    let extended = u64::MAX.checked_shr(bits.saturating_sub(1)).unwrap_or(0);
    anyhow::ensure!(
        !config.mmu.enabled || bits >= 64 || high <= 1 || high == extended,
        "address {addr:#x} does not fit the machine's {bits}-bit virtual addresses"
    );
    Ok(())
}
