//! `os.prefault = "accessed"` and processes that the trace makes.

use tracegen::record::{Access, AccessKind, Event, Record};

use crate::command::{Sandbox, count};

const PAGE: u64 = 4096;

fn touch(kind: AccessKind, page: u64) -> Record {
    Record::Access(Access { kind, addr: page * PAGE, size: 8, ..Access::default() })
}

/// The parent's pages are there and the child has them, until one of the two writes. What only the child
/// touches it faults for.
#[test]
fn a_forked_process_has_what_its_parent_has_mapped() {
    use AccessKind::{Load, Store};
    let sandbox = Sandbox::new();
    let event = |event| Record::Event(0, event);
    let parent = (0..8).map(|page| touch(Store, page));
    let fork = [event(Event::Fork { child: 1 }), event(Event::Switch { process: 1 })];
    let child = [touch(Load, 0), touch(Store, 1), touch(Store, 100), touch(Load, 100)];
    let back = [event(Event::Exit), event(Event::Switch { process: 0 }), touch(Load, 8)];
    sandbox.write_trace("fork.flt", parent.chain(fork).chain(child).chain(back));
    let result = sandbox.simulate("--config skylake --trace fork.flt --set os.prefault=accessed");
    assert_eq!(count(&result, "os.faults.cow_copied"), 1, "page 1");
    assert_eq!(count(&result, "os.faults.anonymous"), 1, "page 100");
    assert_eq!(count(&result, "os.faults.total"), 2);
    assert_eq!(count(&result, "os.pages.resident"), 9);
}
