//! The committed reference manual is the one that the declarations give.

use std::path::Path;

#[test]
fn the_configuration_manual_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let current = model::config::manual();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == current, "run UPDATE_DOCS=1 cargo test -p workspace-tests manual");
}
