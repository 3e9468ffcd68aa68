#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tracegen_fuzz::read(Some(tracegen::formats::Format::PerfScript), bytes);
});
