use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;

use doors::door;
use doors::typed::Fd;
use doors::Door;

#[door]
trait Files {
    fn keep(&self, files: HashMap<String, File>);
    fn pair(&self) -> (File, u8);
    fn doors(&self, pairs: &[(u8, Door)]) -> Result<Vec<(OwnedFd, u8)>, String>;
    fn right(&self, some: Option<Vec<File>>, inside: (Fd<File>, u8)) -> Result<Vec<File>, String>;
}

fn main() {}
