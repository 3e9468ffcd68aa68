//! Settings that name a file with what they are: `mmu.layout` and `os.initial.buddyinfo`. Whoever loads a
//! machine reads the files ([`Reader`]); what is in them stands in the machine afterwards.

use toml::Value;

use super::Layer;
use super::diagnostic::Diagnostic;
use super::tree::{self, Kind, Node, Place};
use crate::mmu::layout::Layout;
use crate::mmu::settings::Mmu;
use crate::units::ByteSize;

/// Reads the file that a layer, by its index, names: what messages call it, and its text; or why it cannot
/// be read.
pub type Reader<'a> = &'a mut dyn FnMut(usize, &str) -> Result<(String, String), String>;

/// Log2 of what page frame numbers of a host count in: Linux counts pages of 4 KiB on x86.
const HOST_PAGE: u64 = 4096;

/// Pages of a process on a host: virtual page and frame number, in units of 4 KiB, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pagemap(Vec<(u64, u64)>);

fn read(
    node: &Node,
    layers: &mut Vec<Layer>,
    reader: Reader<'_>,
) -> Result<Option<String>, Diagnostic> {
    let Some(path) = node.as_str() else { return Ok(None) };
    let (name, text) = reader(node.place.layer, path)
        .map_err(|why| Diagnostic::new(why, Some(node.place.clone())))?;
    layers.push(Layer::document(name, text.clone()));
    Ok(Some(text))
}

/// Puts what the files say that `root` names in their place. Their texts become further layers. A process's
/// pages are returned: what pages they make depends on the machine.
pub(super) fn resolve(
    root: &mut Node,
    layers: &mut Vec<Layer>,
    reader: Reader<'_>,
) -> Result<Option<Pagemap>, Diagnostic> {
    if let Some(initial) = root.get_mut("os").and_then(|os| os.get_mut("initial"))
        && let Some(entry) = initial.take("buddyinfo")
    {
        let text = read(&entry.value, layers, reader)?;
        let layer = layers.len() - 1;
        let orders = match text {
            Some(text) => buddyinfo(&text, layer)?,
            None => {
                let message = "`os.initial.buddyinfo` is the path of a file";
                return Err(Diagnostic::new(message, Some(entry.value.place)));
            }
        };
        initial.put("orders", entry.value.place.clone(), orders);
    }
    let Some(node) = root.get_mut("mmu").and_then(|mmu| mmu.get_mut("layout")) else {
        return Ok(None);
    };
    let Some(text) = read(node, layers, reader)? else { return Ok(None) };
    let layer = layers.len() - 1;
    if let Some(pages) = pagemap(&text, layer)? {
        node.kind = Kind::Array(Vec::new());
        return Ok(Some(pages));
    }
    let mut document = tree::parse(&text, layer, 0)?;
    let Some(layout) = document.take("layout") else {
        let message = "the file has no [[layout]]";
        return Err(Diagnostic::new(message, Some(Place { layer, span: 0..0 })));
    };
    *node = layout.value;
    Ok(None)
}

/// A line's bytes in a text, and itself without a comment.
fn lines(text: &str) -> impl Iterator<Item = (std::ops::Range<usize>, &str)> {
    let start = text.as_ptr() as usize;
    text.lines().map(move |line| {
        // A line is a part of the text.
        let at = line.as_ptr() as usize - start;
        (at..at + line.len(), line.split('#').next().unwrap_or("").trim())
    })
}

/// The sums of every order's free blocks over the lines of a /proc/buddyinfo.
fn buddyinfo(text: &str, layer: usize) -> Result<Node, Diagnostic> {
    let mut orders = [0i64; crate::os::frames::ORDERS];
    for (span, line) in lines(text).filter(|(_, line)| !line.is_empty()) {
        let fault = |message: String| {
            Err(Diagnostic::new(message, Some(Place { layer, span: span.clone() })))
        };
        let mut words =
            line.split_whitespace().skip_while(|word| *word != "zone").skip(2).peekable();
        if !line.starts_with("Node ") || words.peek().is_none() {
            return fault(
                "expected a line of /proc/buddyinfo: Node N, zone NAME and a count for each \
                          order"
                    .to_owned(),
            );
        }
        for (order, word) in words.enumerate() {
            let Some(count) = word.parse::<u32>().ok() else {
                return fault(format!("`{word}` is no number of blocks"));
            };
            match orders.get_mut(order) {
                Some(sum) => *sum += i64::from(count),
                None => return fault(format!("there are {} orders", orders.len())),
            }
        }
    }
    let place = Place { layer, span: 0..text.len() };
    let item =
        |count: i64| Node { kind: Kind::Scalar(Value::Integer(count)), place: place.clone() };
    Ok(Node { kind: Kind::Array(orders.into_iter().map(item).collect()), place: place.clone() })
}

fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

/// The lines `ADDRESS PFN` of a text that is no TOML; `None` where it is.
fn pagemap(text: &str, layer: usize) -> Result<Option<Pagemap>, Diagnostic> {
    let mut all = lines(text).filter(|(_, line)| !line.is_empty()).peekable();
    if all.peek().is_none_or(|(_, line)| !line.starts_with(|c: char| c.is_ascii_digit())) {
        return Ok(None);
    }
    let mut pages = Vec::new();
    for (span, line) in all {
        let words: Vec<_> = line.split_whitespace().map(number).collect();
        match words.as_slice() {
            // A page that is not present, or whose frame the reader may not see, has number 0.
            [Some(_), Some(0)] => {}
            [Some(addr), Some(frame)] => pages.push((addr / HOST_PAGE, *frame)),
            _ => {
                let message = "expected an address and a page frame number, decimal or 0x";
                return Err(Diagnostic::new(message, Some(Place { layer, span })));
            }
        }
    }
    pages.sort_unstable();
    pages.dedup_by_key(|(page, _)| *page);
    Ok(Some(Pagemap(pages)))
}

impl Pagemap {
    /// The ranges that have larger pages of `mmu`: where a page's worth of memory is present in contiguous
    /// frames, and both are aligned. Larger pages come first; neighbours of a size are one range.
    pub fn layout(&self, mmu: &Mmu) -> Vec<Layout> {
        let base = mmu.base_page();
        let held = mmu.tlb.iter().filter_map(|tlb| tlb.pages.as_ref()).flatten().copied();
        let mut sizes: Vec<ByteSize> = mmu.leaf_sizes().into_iter().chain(held).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes.retain(|size| *size > base && size.0 >= 2 * HOST_PAGE && size.0.is_power_of_two());
        let mut ranges: Vec<Layout> = Vec::new();
        let mut at = 0;
        while at < self.0.len() {
            let fitting = sizes.iter().rev().find(|size| self.starts(at, size.0 / HOST_PAGE));
            let Some(&page) = fitting else {
                at += 1;
                continue;
            };
            let start = ByteSize(self.0[at].0 * HOST_PAGE);
            at += (page.0 / HOST_PAGE) as usize;
            match ranges.last_mut() {
                Some(last) if last.page == page && last.start.0 + last.size.0 == start.0 => {
                    last.size.0 += page.0;
                }
                _ => {
                    let name = format!("r{}", ranges.len());
                    ranges.push(Layout { name, start, size: page, page, process: None });
                }
            }
        }
        ranges
    }

    /// Whether an aligned page of so many host pages starts at index `at`.
    fn starts(&self, at: usize, pages: u64) -> bool {
        let Some(run) =
            usize::try_from(pages).ok().and_then(|pages| self.0.get(at..at.checked_add(pages)?))
        else {
            return false;
        };
        let (page, frame) = self.0[at];
        let follow =
            |((has, frame_has), k): (&(u64, u64), u64)| *has == page + k && *frame_has == frame + k;
        page.is_multiple_of(pages) && frame.is_multiple_of(pages) && run.iter().zip(0..).all(follow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_with;

    fn load(setting: &str, file: &str) -> Result<crate::config::Config, String> {
        let layer = Layer::document("m.toml", format!("{setting} = \"f\"\n"));
        let mut reader = |layer: usize, path: &str| {
            assert_eq!((layer, path), (0, "f"));
            Ok(("dir/f".to_owned(), file.to_owned()))
        };
        load_with(&[layer], &mut reader).map_err(|error| error.to_string())
    }

    #[test]
    fn a_layout_file_is_read_and_its_faults_are_shown_in_it() {
        let good =
            "[[layout]]\nname = \"heap\"\nstart = \"1GiB\"\nsize = \"4MiB\"\npage = \"2MiB\"\n";
        let config = load("mmu.layout", good).unwrap();
        assert_eq!((config.mmu.layout.len(), config.mmu.layout[0].page.0), (1, 2 << 20));
        let error = load("mmu.layout", &good.replace("\"2MiB\"", "\"3MiB\"")).unwrap_err();
        assert!(error.contains("dir/f:5:8") && error.contains("no page has 3MiB"), "{error}");
        let error = load("mmu.layout", &good.replace("4MiB", "5MiB")).unwrap_err();
        assert!(error.contains("dir/f:4:8"), "{error}");
        assert!(load("mmu.layout", "[[other]]\n").unwrap_err().contains("dir/f"));
    }

    #[test]
    fn a_dump_of_pages_makes_ranges_where_frames_are_contiguous_and_aligned() {
        let mut text = "# address pfn\n0x1000 7\n".to_owned();
        for page in 0..1024u64 {
            // Two aligned runs of 512 pages, the second one in frames that are not aligned.
            let frame = if page < 512 { 1024 + page } else { 4097 + page };
            text += &format!("{:#x} {frame}\n", (512 + page) * 4096);
        }
        let config = load("mmu.layout", &text).unwrap();
        let ranges: Vec<_> =
            config.mmu.layout.iter().map(|r| (r.start.0, r.size.0, r.page.0)).collect();
        assert_eq!(ranges, [(2 << 20, 2 << 20, 2 << 20)]);
        let error = load("mmu.layout", "4096 7\nx 8\n").unwrap_err();
        assert!(error.contains("dir/f:2:1"), "{error}");
    }

    #[test]
    fn buddyinfo_is_summed_over_zones() {
        let text = "Node 0, zone      DMA      1      0      2      0      0      0      0      0      1      1      3 \n\
                    Node 0, zone   Normal    216     55      9      0      1      1      0      0      0      0     10 \n";
        let config = load("os.initial.buddyinfo", text).unwrap();
        assert_eq!(config.os.initial.unwrap().orders, [217, 55, 11, 0, 1, 1, 0, 0, 1, 1, 13]);
        let error = load("os.initial.buddyinfo", "Node 0, zone DMA 1 x\n").unwrap_err();
        assert!(error.contains("dir/f:1:1") && error.contains("`x`"), "{error}");
    }
}
