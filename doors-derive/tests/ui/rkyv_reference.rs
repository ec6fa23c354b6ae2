//! References that are none into an archive.

use rkyv::{Archive, Archived, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize)]
struct Line {
    text: String,
}

#[doors::door(codec = "rkyv")]
trait Printer {
    fn print(&self, line: &Line);
    fn print_all(&self, lines: &[Line]);
    fn fine(&self, line: &Archived<Line>, text: &str, bytes: &[u8], own: Line);
}

fn main() {}
