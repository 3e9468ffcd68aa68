//! Runs in which a component is perfect.

use super::*;
use crate::time::ideal::Component;

/// The cycles of `stream` where `component` is perfect.
fn ideal(config: &Config, stream: &mut Trace, component: Component) -> u64 {
    let (memory, device) = (FixedLatency::new(80_000), FixedLatency::new(5_000_000));
    let mut simulation = Simulation::with(config, memory, device, Some(component)).unwrap();
    assert!(simulation.process(&mut stream.0.iter()).is_none());
    simulation.finish();
    simulation.clock().cycles(simulation.stack().total())
}

#[test]
fn what_is_perfect_takes_no_time() {
    let config = machine(|config| config.mmu.walker.entry_level = Some("memory".to_owned()));
    let mut stream = Trace::default();
    let walked = Outcome { tlb: WALKED, ..outcome(OutcomeKind::Load, 1, MEMORY) };
    stream.with(walked, &walk(&[MEMORY, MEMORY]), &[]);
    stream.add(Outcome { ancestor: 1, ..outcome(OutcomeKind::Load, 1, 1) });
    stream.end(0);
    let whole = 7 + 2 * MEMORY_TRIP + MISS + 14;
    assert_eq!(run(&config, &stream).get("run.cycles"), whole);
    let cases = [
        (Component::Tlb, whole - 7),
        (Component::Walk, whole - 2 * MEMORY_TRIP),
        (Component::Dram, whole - 3 * MEMORY_TRIP),
        // A first level that takes no time leaves the second one's own ten cycles, twice.
        (Component::Cache(0), whole - 2 * 4),
        (Component::Cache(1), whole - 2 * 10),
        (Component::Branch, whole),
        (Component::Swap, whole),
    ];
    for (component, cycles) in cases {
        assert_eq!(ideal(&config, &mut stream, component), cycles, "{component:?}");
    }
}

#[test]
fn perfect_branches_and_kernels_leave_the_instructions() {
    let handler = [Work::Handler];
    let swapped = [Work::Handler, Work::SwapRead { slot: SwapSlot(0), pages: 1 }];
    let fault = OutcomeKind::Fault(FaultKind::Anonymous);
    let cases = [
        (Component::Branch, OutcomeKind::Mispredict, &[][..]),
        (Component::FaultMinor, fault, &handler),
        (Component::FaultMajor, fault, &swapped),
        (Component::Kernel, OutcomeKind::Kernel, &[Work::Switch]),
    ];
    for (component, kind, work) in cases {
        let mut stream = Trace::default();
        stream.with(outcome(kind, 8, 0), &[], work).end(8);
        assert!(run(&machine(|_| ()), &stream).get("run.cycles") > 4, "{component:?}");
        for (other, ..) in cases {
            let cycles = ideal(&machine(|_| ()), &mut stream, other);
            assert_eq!(cycles == 4, other == component, "{other:?} of {component:?}");
        }
    }
    let mut stream = Trace::default();
    stream.with(outcome(fault, 8, 0), &[], &swapped).end(8);
    let own = run(&machine(|_| ()), &stream).get("run.cycles");
    assert_eq!(own - ideal(&machine(|_| ()), &mut stream, Component::Swap), 5000);
}
