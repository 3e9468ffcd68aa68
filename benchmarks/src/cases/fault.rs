//! The way through the kernel, a fault an access: first touches, the zero page, copying on write, and
//! swapping out and in.

use tracegen::batch::Batch;
use tracegen::record::{Backing, Event, Protection};

use crate::machine::{Function, skylake};
use crate::stream::{BASE, event, loads, stores};
use crate::{Case, machine::Sets};

const PAGES: u64 = 1 << 13;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("first-touch", &[], Vec::new, || stores(PAGES, page)),
        case("zero-page", &[], || vec![map()], || loads(PAGES, page)),
        case("cow", &[], forked, || stores(PAGES, page)),
        // 16 MiB of room for twice as many pages that are read in turn: each is swapped out and in.
        case(
            "swap",
            &[("os.limit", "\"16MiB\""), ("swap.size", "\"1GiB\"")],
            || stores(PAGES, page),
            || loads(PAGES, page),
        ),
    ]
}

/// The address of a page.
fn page(index: u64) -> u64 {
    BASE + index % PAGES * 4096
}

fn map() -> Batch {
    event(Event::Mmap {
        addr: BASE,
        length: PAGES * 4096,
        protection: Protection::READ_WRITE,
        shared: false,
        backing: Backing::Anonymous,
    })
}

/// Every page written, then shared with a child.
fn forked() -> Vec<Batch> {
    let mut batches = vec![map()];
    batches.extend(stores(PAGES, page));
    batches.push(event(Event::Fork { child: 1 }));
    batches
}

fn case(
    name: &str,
    sets: Sets<'static>,
    before: fn() -> Vec<Batch>,
    during: fn() -> Vec<Batch>,
) -> Case {
    Case::new(format!("fault/{name}"), PAGES, move || {
        let mut function = Function::new(&skylake(sets));
        function.run(&before());
        function.round(during())
    })
}
