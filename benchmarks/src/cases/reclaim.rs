//! Reclaim, by policy: a textbook machine without TLBs and with frames for an eighth of the pages, whose
//! popularity is zipfian.

use model::os::reclaim::ReclaimPolicy;
use tracegen::batch::Batch;
use tracegen::next_use::annotate;
use tracegen::source::Source;
use tracegen::workloads;

use crate::Case;
use crate::machine::{Function, bare};

const TOUCHES: u64 = 1 << 15;

pub(super) fn cases() -> Vec<Case> {
    ReclaimPolicy::NAMES.iter().copied().map(case).collect()
}

fn case(policy: &'static str) -> Case {
    Case::new(format!("reclaim/{policy}"), TOUCHES, move || {
        let config = bare(&format!("[os]\nmemory = {{ frames = 512 }}\nreclaim = \"{policy}\"\n"));
        let (before, during) = pages();
        let mut function = Function::new(&config);
        function.run(&before);
        function.round(during)
    })
}

/// Touches of 16 MiB that fill the memory, and those that are measured, each of which says when its page
/// is touched next.
fn pages() -> (Vec<Batch>, Vec<Batch>) {
    let set = [("footprint", "16MiB".to_owned()), ("reads", (2 * TOUCHES).to_string())];
    let set: Vec<_> = set.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let open = || workloads::open("zipf", &set, 0).expect("the workload opens");
    let mut source = annotate(open(), open(), &[12]).expect("the workload runs");
    let (mut batches, mut batch) = (Vec::new(), Batch::new());
    while source.fill(&mut batch).expect("the workload runs") {
        batches.push(std::mem::take(&mut batch));
    }
    let during = batches.split_off(batches.len() / 2);
    (batches, during)
}
