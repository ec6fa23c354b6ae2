//! `doors info` and `doors call` of a door with an interface, by users who do not have its types.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use doors::typed::Fd;
use doors::{Attachment, Door, DoorAttributes, door};
use harness::{Directory, Watchdog};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::command::{DOORS, doors, line, out, status, text};

/// A shape.
#[derive(Debug, Serialize, Deserialize)]
enum Figure {
    Point,
    Circle(f64),
    Box { width: u8, height: u8 },
    Line([i8; 2], [i8; 2]),
    Group(Vec<Figure>),
}

#[derive(Debug, Serialize, Deserialize)]
struct Everything {
    figure: Figure,
    letter: char,
    bytes: Option<Vec<u8>>,
    large: u128,
    by_number: BTreeMap<u16, String>,
    nothing: (),
    wrapped: Wrapped,
}

#[derive(Debug, Serialize, Deserialize)]
struct Wrapped(i64);

#[derive(Debug, Serialize, Deserialize)]
enum Trouble {
    Empty,
    TooLong { limit: u32 },
}

/// An error without parts.
#[derive(Debug, Serialize, Deserialize)]
struct Locked;

/// Draws.
///
/// Not well.
#[door(version = "3.1")]
trait Studio {
    /// The same, a little later.
    fn mirror(&self, all: Everything, count: u32) -> (Everything, u32);

    /// What is in files.
    fn read(&self, file: File, named: BTreeMap<String, Fd<File>>) -> Vec<String>;

    fn status(&self) -> File;

    fn check(&self, word: &str) -> Result<usize, Trouble>;

    #[allow_callers(me, uid = 0)]
    fn leave(&self) -> Result<(), Locked>;

    #[since("3.1")]
    fn other(&self) -> OtherClient;
}

#[door]
trait Other {
    fn nothing(&self);
}

struct Server;

fn text_of(mut file: File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

impl Studio for Server {
    fn mirror(&self, all: Everything, count: u32) -> (Everything, u32) {
        (all, count.saturating_add(1))
    }

    fn read(&self, file: File, named: BTreeMap<String, Fd<File>>) -> Vec<String> {
        let named = named.into_iter();
        [text_of(file)]
            .into_iter()
            .chain(named.map(|(name, file)| name + &text_of(file.0)))
            .collect()
    }

    fn status(&self) -> File {
        File::open("/proc/self/status").unwrap()
    }

    fn check(&self, word: &str) -> Result<usize, Trouble> {
        match word.len() {
            0 => Err(Trouble::Empty),
            long @ 9.. => Err(Trouble::TooLong {
                limit: u32::try_from(long).unwrap(),
            }),
            fits => Ok(fits),
        }
    }

    fn leave(&self) -> Result<(), Locked> {
        Err(Locked)
    }

    fn other(&self) -> OtherClient {
        OtherDoor::serve_object(Server).unwrap()
    }
}

impl Other for Server {
    fn nothing(&self) {}
}

struct Served {
    directory: Directory,
    path: PathBuf,
    _name: Attachment,
}

fn serve(name: &str) -> Served {
    let directory = Directory::new(name);
    let path = directory.join("studio");
    let door = StudioDoor::serve(Server).unwrap();
    let attachment = door.attach(&path, 0o600).unwrap();
    Served {
        directory,
        path,
        _name: attachment,
    }
}

impl Served {
    fn call(&self, method: &str, arguments: &Value) -> std::process::Output {
        doors(["call", text(&self.path), method, &arguments.to_string()])
    }

    fn value(&self, method: &str, arguments: &Value) -> Value {
        let output = self.call(method, arguments);
        assert_eq!(status(&output), 0, "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn an_interface_is_shown_with_what_is_written_above_it() {
    let _watchdog = Watchdog::new("an_interface_is_shown_with_what_is_written_above_it");
    let studio = serve("interface");
    let shown = out(&doors(["info", text(&studio.path)]));
    for part in [
        "attributes        TYPED",
        "\n/// Draws.\n///\n/// Not well.\ninterface Studio 3.1 {\n",
        "    /// What is in files.\n    #[id(2)]\n    fn read(file: File, named: BTreeMap<String, Fd<File>>) -> Vec<String>;\n",
        "    #[id(5)]\n    #[allow_callers(me, uid = 0)]\n    fn leave() -> Result<(), Locked>;\n",
        "    #[id(6)]\n    #[since(\"3.1\")]\n    fn other() -> OtherClient;\n",
        "\n}\n\nstruct Everything { figure: Figure, letter: char, ",
        "\nenum Trouble { Empty, TooLong { limit: u32 } }\n",
        "\nstruct Locked { ",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let told = out(&doors(["info", text(&studio.path), "--json"]));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["interface"]["name"], "Studio");
    assert_eq!(told["interface"]["methods"][5]["name"], "other");
    assert_eq!(
        told["interface"]["methods"][5]["since"],
        json!({"major": 3, "minor": 1})
    );
    let [nobody, some] = [3, 4].map(|at| &told["interface"]["methods"][at]["callers"]);
    assert_eq!((nobody, some), (&Value::Null, &json!(["me", "uid = 0"])));
    assert_eq!(
        told["interface"]["methods"][5]["result"],
        json!({"Door": "Other"})
    );
}

#[test]
fn values_of_every_kind_go_there_and_back() {
    let _watchdog = Watchdog::new("values_of_every_kind_go_there_and_back");
    let studio = serve("values");
    for figure in [
        json!("Point"),
        json!({"Circle": 1.5}),
        json!({"Box": {"width": 3, "height": 255}}),
        json!({"Line": [[1, 2], [-3, 4]]}),
        json!({"Group": ["Point", {"Group": []}, {"Circle": -0.0}]}),
    ] {
        let all = json!({
            "figure": figure,
            "letter": "ü",
            "bytes": [1, 2, 255],
            "large": u128::MAX.to_string(),
            "by_number": {"7": "seven", "65535": ""},
            "nothing": null,
            "wrapped": i64::MIN,
        });
        let arguments = json!({"all": all, "count": 1});
        assert_eq!(studio.value("mirror", &arguments), json!([all, 2]));
        // By their places; what may be missing is.
        let mut fewer = all;
        fewer.as_object_mut().unwrap().remove("bytes");
        let back = studio.value("mirror", &json!([fewer, 7]));
        assert_eq!(back[0]["bytes"], Value::Null);
        assert_eq!(back[1], 8);
    }
    assert_eq!(studio.value("check", &json!(["four"])), 4);
}

#[test]
fn descriptors_are_named_by_paths() {
    let _watchdog = Watchdog::new("descriptors_are_named_by_paths");
    let studio = serve("paths");
    let [one, other] = ["one", "other"].map(|name| {
        let path = studio.directory.join(name);
        std::fs::write(&path, name).unwrap();
        format!("@{}", path.display())
    });
    let read = studio.value("read", &json!({"file": one, "named": {"a ": other}}));
    assert_eq!(read, json!(["one", "a other"]));
    let status = studio.value("status", &json!([]));
    assert!(status.as_str().unwrap().ends_with("/status"), "{status}");
    let door = studio.value("other", &json!([]));
    assert_eq!(door, "a door of Other (ended with this call)");
}

#[test]
fn what_is_wrong_is_named() {
    let _watchdog = Watchdog::new("what_is_wrong_is_named");
    let studio = serve("wrong");
    let path = text(&studio.path);
    for (arguments, number, said) in [
        (vec!["call", path, "sing"], 1, "it has mirror, read, status"),
        (vec!["call", path, "check", "{"], 1, "no JSON"),
        (
            vec!["call", path, "check"],
            1,
            "the argument `word` is missing; the method is `fn check",
        ),
        (
            vec!["call", path, "mirror"],
            1,
            "the arguments `all`, `count` are missing",
        ),
        (
            vec!["call", path, "check", r#"["a", "b"]"#],
            1,
            "the method has 1 argument, 2 are given",
        ),
        (
            vec!["call", path, "check", "2000"],
            1,
            "or an array: [2000]",
        ),
        (
            vec!["call", path, "check", "four"],
            1,
            r#"a text as the only argument is ["four"]"#,
        ),
        (
            vec!["call", path, "read", "[@/etc/hostname, {}]"],
            1,
            r#"a descriptor is a text: "@/etc/hostname""#,
        ),
        (
            vec!["call", path, "mirror", r#"[{"figure": "Square"}, 1]"#],
            1,
            "`all.figure`: there is no variant `Square`; there are Point, Circle, Box, Line, Group",
        ),
        (vec!["call", path, "leave"], 6, "returned the error Locked"),
        (
            vec!["call", path, "check", "[7]"],
            1,
            "`word`: str is wanted, 7 is given",
        ),
        (
            vec!["call", path, "check", r#"{"wort": "x"}"#],
            1,
            "there is no `wort`",
        ),
        (
            vec!["call", path, "check", "{}"],
            1,
            "`word` is missing; the method is `fn check",
        ),
        (
            vec!["call", path, "read", r#"["/etc/hostname", {}]"#],
            1,
            "\"@PATH\"",
        ),
        (
            vec!["call", path, "read", r#"["@/no/such", {}]"#],
            1,
            "cannot open /no/such",
        ),
        (
            vec!["call", path, "check", r#"[""]"#],
            6,
            "returned the error \"Empty\"",
        ),
        (
            vec!["call", path, "check", r#"["much too long"]"#],
            6,
            r#"returned the error {"TooLong":{"limit":13}}"#,
        ),
    ] {
        let output = doors(&arguments);
        assert_eq!(status(&output), number, "{arguments:?}: {output:?}");
        let line = line(&output);
        assert!(line.contains(said), "{arguments:?}: {line}");
        assert!(line.contains(path), "{arguments:?}: {line}");
    }
    let deep =
        json!([{"figure": {"Group": [{"Box": {"width": 256, "height": 0}}]}, "letter": "a"}, 1]);
    let line = line(&studio.call("mirror", &deep));
    assert!(
        line.contains("`all.figure.Group.0.Box.width`: u8 is wanted, 256 is given"),
        "{line}"
    );
}

#[test]
fn a_door_with_methods_says_them_before_any_data_are_read() {
    let _watchdog = Watchdog::new("a_door_with_methods_says_them_before_any_data_are_read");
    let studio = serve("without-method");
    let mut call = std::process::Command::new(DOORS);
    call.args(["call", text(&studio.path)])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    // What would be read does not end before the command does.
    let mut child = call.spawn().unwrap();
    let input = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(input);
    assert_eq!(status(&output), 1, "{output:?}");
    let said = line(&output);
    assert!(
        said.contains("is called by a method: mirror, read, status, check, leave, other"),
        "{said}"
    );
}

#[test]
fn a_door_of_bytes_has_no_methods_and_is_not_asked() {
    let _watchdog = Watchdog::new("a_door_of_bytes_has_no_methods_and_is_not_asked");
    let directory = Directory::new("bytes");
    let path = directory.join("door");
    // Whoever called it would end the test.
    let door = Door::create(|_| std::process::exit(9), DoorAttributes::REFUSE_DESC);
    let _name = door.unwrap().attach(&path, 0o600).unwrap();
    let output = doors(["call", text(&path), "method"]);
    assert_eq!(status(&output), 1);
    assert!(line(&output).contains("has no methods"));
    assert_eq!(status(&doors(["info", text(&path)])), 0);
    let told = out(&doors(["info", text(&path), "--json"]));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["interface"], Value::Null);
}
