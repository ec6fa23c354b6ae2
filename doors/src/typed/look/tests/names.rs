//! Types of one name.

use serde::{Deserialize, Serialize};

use super::text;

#[derive(Serialize, Deserialize)]
struct Wrapped<T>(T);

#[test]
fn the_same_name_around_something_else_is_another_type() {
    assert_eq!(
        text::<Wrapped<Wrapped<u8>>>(),
        "Wrapped; struct Wrapped { 0: Wrapped#2 }; struct Wrapped#2 { 0: u8 }"
    );
}

#[test]
fn types_of_one_name_are_told_apart() {
    #[derive(Serialize, Deserialize)]
    struct Both<A, B> {
        one: A,
        other: B,
    }

    let one = {
        #[derive(Serialize, Deserialize)]
        struct Same {
            part: u32,
        }
        (text::<Same>(), text::<Option<Same>>())
    };
    let one_more = {
        #[derive(Serialize, Deserialize)]
        struct Same {
            part: i32,
        }
        type Outer = Same;
        let inner = {
            #[derive(Serialize, Deserialize)]
            struct Same {
                part: f32,
            }
            text::<Both<Outer, Same>>()
        };
        (text::<Same>(), inner)
    };
    assert_eq!(one.0, "Same; struct Same { part: u32 }");
    assert_eq!(one_more.0, "Same; struct Same { part: i32 }");
    assert_eq!(
        one_more.1,
        "Both; struct Both { one: Same, other: Same#2 }; struct Same { part: i32 }; \
         struct Same#2 { part: f32 }"
    );
}
