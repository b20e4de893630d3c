//! What a recorded value looks like from outside: equal to `serde_json` within the limits, bounded and still JSON
//! past them, and never with a sensitive key's value in it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use mcpcat_runtime::internals::json::{write_key, write_raw, write_str, write_value, write_value_within};
use mcpcat_runtime::policy::{KeyPolicy, Limits, Policy};
use proptest::prelude::*;
use serde::ser::{Error as _, SerializeMap, SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn text<T: Serialize + ?Sized>(value: &T) -> String {
    with(value, &Policy::new())
}

fn with<T: Serialize + ?Sized>(value: &T, policy: &Policy) -> String {
    let mut out = b"before".to_vec();
    write_value(&mut out, value, policy).unwrap();
    let text = String::from_utf8(out).unwrap();
    let text = text.strip_prefix("before").unwrap();
    serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    text.to_owned()
}

fn parsed<T: Serialize + ?Sized>(value: &T) -> Value {
    serde_json::from_str(&text(value)).unwrap()
}

fn raw(json: &str, policy: &Policy) -> String {
    let mut out = Vec::new();
    write_raw(&mut out, json, policy);
    String::from_utf8(out).unwrap()
}

/// A type whose `Serialize` impl is the given expression.
macro_rules! serialize_by {
    ($name:ident, |$serializer:ident| $body:expr) => {
        struct $name;
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, $serializer: S) -> Result<S::Ok, S::Error> {
                $body
            }
        }
    };
}

#[derive(Serialize)]
enum Shapes {
    Unit,
    Newtype(u8),
    Tuple(u8, &'static str),
    Struct { a: u8, b: Option<u8> },
}

#[derive(Serialize)]
struct Newtype(u8);

#[derive(Serialize)]
struct UnitStruct;

#[derive(Serialize)]
struct Everything {
    unit: (),
    flag: bool,
    small: i8,
    large: u64,
    negative: i64,
    single: f32,
    double: f64,
    letter: char,
    text: &'static str,
    some: Option<u8>,
    none: Option<u8>,
    list: Vec<Shapes>,
    pair: (u8, &'static str),
    map: BTreeMap<u16, bool>,
    chars: BTreeMap<char, u8>,
    flags: BTreeMap<bool, u8>,
    empty_list: [u8; 0],
    empty_map: BTreeMap<String, u8>,
    newtype: Newtype,
    unit_struct: UnitStruct,
    address: std::net::Ipv4Addr,
}

#[test]
fn every_shape_of_serde_is_written_like_serde_json_writes_it() {
    let value = Everything {
        unit: (),
        flag: true,
        small: -8,
        large: u64::MAX,
        negative: i64::MIN,
        single: 0.1,
        double: 1e300,
        letter: '"',
        text: "quote \" backslash \\ line \n bell \u{7} é \u{1F600}",
        some: Some(1),
        none: None,
        list: vec![Shapes::Unit, Shapes::Newtype(1), Shapes::Tuple(2, "b"), Shapes::Struct { a: 3, b: None }],
        pair: (1, "two"),
        map: BTreeMap::from([(1, true), (2, false)]),
        chars: BTreeMap::from([('x', 1)]),
        flags: BTreeMap::from([(true, 1), (false, 0)]),
        empty_list: [],
        empty_map: BTreeMap::new(),
        newtype: Newtype(5),
        unit_struct: UnitStruct,
        address: std::net::Ipv4Addr::LOCALHOST,
    };
    assert_eq!(text(&value), serde_json::to_string(&value).unwrap());
    assert_eq!(text(&u128::MAX), u128::MAX.to_string());
    assert_eq!(text(&i128::MIN), i128::MIN.to_string());
    assert_eq!(text(&format_args!("{}-{}", 1, "é\n")), r#""1-é\n""#);
}

#[test]
fn floats_without_a_json_word_are_named() {
    assert_eq!(text(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]), r#"["NaN","Infinity","-Infinity"]"#);
    assert_eq!(text(&f32::NAN), r#""NaN""#);
}

thread_local!(static CALLS: Cell<usize> = const { Cell::new(0) });

serialize_by!(Endless, |serializer| {
    CALLS.set(CALLS.get() + 1);
    serializer.collect_seq([Endless])
});

#[test]
fn nothing_below_the_depth_limit_is_serialised() {
    assert_eq!(text(&Endless), r#"[[[[[[[[[["[array: 1 items]"]]]]]]]]]]"#);
    assert_eq!(CALLS.get(), 11);
    let policy = Policy::new().limits(Limits::new().depth(2));
    assert_eq!(
        with(&json!({"a": {"b": {"c": 1}}, "d": [[[]]], "e": 1}), &policy),
        r#"{"a":{"b":"[object: 1 members]"},"d":["[array: 1 items]"],"e":1}"#
    );
}

#[test]
fn wrappers_in_wrappers_end_too() {
    #[derive(Serialize)]
    struct Chain(Option<Box<Chain>>);
    let mut chain = Chain(None);
    for _ in 0..100_000 {
        chain = Chain(Some(Box::new(chain)));
    }
    assert_eq!(text(&chain), r#""[too deep]""#);
    // Dropping it in one go would overflow the stack of this test.
    while let Some(next) = chain.0.take() {
        chain = *next;
    }
}

/// Gives sevens for ever and counts them.
struct Sevens(RefCell<usize>);

impl Serialize for Sevens {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        loop {
            *self.0.borrow_mut() += 1;
            seq.serialize_element(&7)?;
        }
    }
}

#[test]
fn members_are_bounded_and_the_rest_is_counted() {
    let policy = Policy::new().limits(Limits::new().members(2));
    assert_eq!(with(&[1, 2], &policy), "[1,2]");
    assert_eq!(with(&[1, 2, 3, 4, 5], &policy), r#"[1,2,"[+3 items]"]"#);
    assert_eq!(
        with(&json!({"a": 1, "b": [1, 2, 3], "c": 3}), &policy),
        r#"{"a":1,"b":[1,2,"[+1 items]"],"…":"[+1 members]"}"#
    );
    let sevens = Sevens(RefCell::new(0));
    assert_eq!(with(&(&sevens, 8), &policy), r#"[[7,7,"[more items]"],8]"#);
    assert_eq!(*sevens.0.borrow(), 3);
    assert_eq!(with(&[1], &Policy::new().limits(Limits::new().members(0))), r#"["[+1 items]"]"#);
}

#[test]
fn strings_are_bounded() {
    let policy = Policy::new().limits(Limits::new().string_bytes(40));
    assert_eq!(with(&"x".repeat(40), &policy), format!("\"{}\"", "x".repeat(40)));
    assert_eq!(with(&"é".repeat(40), &policy), format!("\"{}…[+72 bytes]\"", "é".repeat(4)));
    struct Long;
    impl fmt::Display for Long {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (0..50).try_for_each(|_| f.write_str("ab"))
        }
    }
    assert_eq!(with(&format_args!("{Long}"), &policy), r#""abababab…[+92 bytes]""#);
    let mut out = Vec::new();
    write_str(&mut out, "line\n", 2_048);
    write_key(&mut out, "a\"b");
    assert_eq!(out, br#""line\n""a\"b":"#);
}

#[test]
fn one_value_stays_within_the_bytes_of_an_event() {
    let policy = Policy::new();
    let item = json!({"text": "x ".repeat(15_000), "list": vec!["y".repeat(999); 100]});
    let wide = vec![item; 100];
    let json = with(&wide, &policy);
    assert!(json.len() <= policy.limits.event_bytes, "{}", json.len());
    assert!(json.len() > policy.limits.event_bytes / 2, "{}", json.len());
    assert!(json.contains(" items]"));
    let mut out = Vec::new();
    write_value_within(&mut out, &wide, &policy, 10).unwrap();
    assert_eq!(out, br#""[cut]""#);
}

#[test]
fn memory_does_not_follow_what_is_cut_away() {
    let mut out = Vec::new();
    let policy = Policy::new();
    write_value(&mut out, &vec![vec!["x ".repeat(50_000); 20]; 20], &policy).unwrap();
    assert!(out.capacity() <= 4 * policy.limits.event_bytes, "{}", out.capacity());
}

serialize_by!(Untouchable, |_serializer| panic!("a sensitive value was serialised"));

#[test]
fn a_sensitive_value_is_never_serialised() {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Login {
        user: &'static str,
        api_key: Untouchable,
        nested: BTreeMap<&'static str, Untouchable>,
        tokens_used: u32,
    }
    let nested = BTreeMap::from([("Set-Cookie", Untouchable)]);
    let login = Login { user: "u", api_key: Untouchable, nested, tokens_used: 7 };
    assert_eq!(
        text(&login),
        r#"{"user":"u","apiKey":"[redacted: key]","nested":{"Set-Cookie":"[redacted: key]"},"tokensUsed":7}"#
    );
    #[derive(Serialize)]
    enum Auth {
        Password(Untouchable),
        Secret { value: Untouchable },
        Token(Untouchable, u8),
    }
    assert_eq!(
        text(&[
            Auth::Password(Untouchable),
            Auth::Secret { value: Untouchable },
            Auth::Token(Untouchable, 1)
        ]),
        r#"[{"Password":"[redacted: key]"},{"Secret":"[redacted: key]"},{"Token":"[redacted: key]"}]"#
    );
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    #[serde(rename_all = "snake_case")]
    enum Name {
        ClientSecret,
    }
    assert_eq!(text(&BTreeMap::from([(Name::ClientSecret, 1)])), r#"{"client_secret":"[redacted: key]"}"#);
    let policy = Policy::new().keys(KeyPolicy::new().off().also("user"));
    assert_eq!(
        with(&json!({"user": 1, "password": 2}), &policy),
        r#"{"password":2,"user":"[redacted: key]"}"#
    );
}

serialize_by!(Bytes, |serializer| serializer.serialize_bytes(&[0; 123]));

#[test]
fn sequences_of_bytes_are_named_by_their_size() {
    #[derive(serde::Serialize)]
    struct Octet(u8);
    #[derive(serde::Serialize)]
    struct Key<'a> {
        owned: Vec<u8>,
        array: [u8; 32],
        slice: &'a [u8],
        boxed: Option<Box<[u8]>>,
        many: Vec<Vec<u8>>,
        wrapped: Vec<Octet>,
        long: Vec<u8>,
    }
    let key = Key {
        owned: b"hunter2".to_vec(),
        array: [7; 32],
        slice: &[1, 2, 3, 4],
        boxed: Some(Box::new([9; 5])),
        many: vec![vec![1; 6], vec![2; 8]],
        wrapped: (0..9).map(Octet).collect(),
        long: vec![1; 70_000],
    };
    assert_eq!(
        parsed(&key),
        json!({
            "owned": "[binary: 7 bytes]", "array": "[binary: 32 bytes]", "slice": "[binary: 4 bytes]",
            "boxed": "[binary: 5 bytes]", "many": ["[binary: 6 bytes]", "[binary: 8 bytes]"],
            "wrapped": "[binary: 9 bytes]", "long": "[binary: 70000 bytes]",
        })
    );
    let unknown = serde_bytes_of(200);
    assert_eq!(text(&unknown), r#""[binary: more than 100 bytes]""#);
    // Numbers of other types, and few of them, are numbers.
    assert_eq!(text(&vec![1_u32, 2, 3, 4, 5]), "[1,2,3,4,5]");
    assert_eq!(text(&[255_u8, 128, 0]), "[255,128,0]");
    assert_eq!(text(&json!([1, 2, 3, 4, 5])), "[1,2,3,4,5]");
    assert_eq!(text(&(1_u8, 2_u8, 3_u8, 4_u8, "a")), r#"[1,2,3,4,"a"]"#);
    assert_eq!(text(&Vec::<u8>::new()), "[]");
    let tight = Policy::new().limits(Limits::new().event_bytes(1_024));
    assert_eq!(with(&vec![200_u8; 5_000], &tight), r#""[binary: 5000 bytes]""#);
}

/// A sequence of bytes that does not say how long it is.
fn serde_bytes_of(count: usize) -> impl serde::Serialize {
    struct Unsized(usize);
    impl serde::Serialize for Unsized {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq as _;
            let mut sequence = serializer.serialize_seq(None)?;
            for _ in 0..self.0 {
                sequence.serialize_element(&1_u8)?;
            }
            sequence.end()
        }
    }
    Unsized(count)
}

#[test]
fn binary_content_is_named_by_its_size() {
    let base64 = "iVBORw0KGgo".repeat(1_000);
    assert_eq!(parsed(&json!({"x": base64}))["x"], "[binary: 8250 bytes]");
    let small = "iVBORw0KGgo".repeat(30);
    assert_eq!(
        parsed(&json!({"type": "image", "mimeType": "image/png", "data": small})),
        json!({"type": "image", "mimeType": "image/png", "data": "[binary: 247 bytes]"})
    );
    assert_eq!(parsed(&json!({"resource": {"blob": small}}))["resource"]["blob"], "[binary: 247 bytes]");
    assert_eq!(parsed(&BTreeMap::from([("blob", Some(&small))]))["blob"], "[binary: 247 bytes]");
    assert_eq!(parsed(&json!({"note": small}))["note"], small.as_str());
    let prose = "a sentence. ".repeat(40);
    assert_eq!(parsed(&json!({"data": prose}))["data"], prose.as_str());
    let url = format!("data:image/png;base64,{small}");
    assert_eq!(parsed(&json!({"src": url}))["src"], "[binary: image/png, 246 bytes]");
    assert_eq!(text(&Bytes), r#""[binary: 123 bytes]""#);
    let escaped = format!(r#"{{"data":"{}"}}"#, r"iVBORw0KGg\/".repeat(30));
    assert_eq!(raw(&escaped, &Policy::new()), r#"{"data":"[binary: 247 bytes]"}"#);
}

#[test]
fn raw_json_gets_the_same_limits_and_the_same_keys() {
    let policy = Policy::new();
    let source = r#" {"a" : [1, -2.50, 1e3, true, false, null, "\u0041\/\ud83d\ude00\ud800"],
        "pass\u0077ord": {"x": "hunter2"}, "n": {}, "m": [], "a": 2} "#;
    let expected = "{\"a\":[1,-2.50,1e3,true,false,null,\"A/\u{1F600}\u{FFFD}\"],\
        \"password\":\"[redacted: key]\",\"n\":{},\"m\":[],\"a\":2}";
    assert_eq!(raw(source, &policy), expected);
    // serde_json refuses the lone surrogate when it parses a raw value, so it is not in this one.
    let source = source.replace(r"\ud800", "");
    let expected = expected.replace('\u{FFFD}', "");
    let boxed = RawValue::from_string(source.trim().to_owned()).unwrap();
    assert_eq!(text(&[&boxed, &boxed]), format!("[{expected},{expected}]"));

    let tight = Policy::new().limits(Limits::new().members(2).depth(2));
    assert_eq!(raw("[1,2,3,[4],\"5,]\",{}]", &tight), r#"[1,2,"[+4 items]"]"#);
    assert_eq!(
        raw(r#"{"a":1,"b":{"c":{"d":1,"e":2}},"f":1}"#, &tight),
        r#"{"a":1,"b":{"c":"[object: 2 members]"},"…":"[+1 members]"}"#
    );
    assert_eq!(raw(r#"[[[]],[[1]]]"#, &tight), r#"[["[array: 0 items]"],["[array: 1 items]"]]"#);
    assert_eq!(raw("1e999", &policy), r#""1e999""#);
    assert_eq!(raw("123456789012345678901234567890", &policy), "123456789012345678901234567890");
}

#[test]
fn a_raw_text_that_is_not_json_says_so() {
    let texts = [
        "",
        "{",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "nul",
        "01",
        "1 2",
        "\"\\x\"",
        "\"",
        "[1 2]",
        "{1:2}",
        "\"\u{1}\"",
        "]",
        "\"\\u12\"",
        "\"\\",
        "[\"\\\u{e9}\"]",
        "-",
        "1.",
        "1e",
        "{,}",
        "[}",
    ];
    for text in texts {
        let expected = format!("\"[invalid JSON: {} bytes]\"", text.len());
        assert_eq!(raw(text, &Policy::new()), expected, "{text}");
    }
}

#[test]
fn raw_json_of_any_depth_costs_no_stack() {
    let policy = Policy::new();
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(raw(&deep, &policy), r#"[[[[[[[[[["[array: 1 items]"]]]]]]]]]]"#);
    assert_eq!(raw(&"[".repeat(200_000), &policy), r#""[invalid JSON: 200000 bytes]""#);
    let objects = format!("{}1{}", "{\"a\":".repeat(200_000), "}".repeat(200_000));
    assert!(raw(&objects, &policy).ends_with(r#""[object: 1 members]"}}}}}}}}}}"#));
}

/// What `serde_json` passes when its `arbitrary_precision` feature is on.
struct BigNumber(&'static str);

impl Serialize for BigNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut number = serializer.serialize_struct("$serde_json::private::Number", 1)?;
        number.serialize_field("$serde_json::private::Number", self.0)?;
        number.end()
    }
}

#[test]
fn numbers_of_any_precision_keep_their_text() {
    let numbers = [BigNumber("3.14159265358979323846264338327950288"), BigNumber("1E+2")];
    assert_eq!(text(&numbers), "[3.14159265358979323846264338327950288,1E+2]");
    let others = [BigNumber("nonsense\""), BigNumber("1e999"), BigNumber("")];
    assert_eq!(text(&others), r#"["nonsense\"","1e999",""]"#);
}

#[test]
fn keys_that_json_cannot_express_are_an_error_that_leaves_the_buffer_alone() {
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Compound {
        a: u8,
    }
    let mut out = b"kept".to_vec();
    let policy = Policy::new();
    let error = write_value(&mut out, &BTreeMap::from([(Compound { a: 1 }, 1)]), &policy).unwrap_err();
    assert!(error.to_string().contains("key"), "{error}");
    write_value(&mut out, &BTreeMap::from([(vec![1], 1)]), &policy).unwrap_err();
    write_value(&mut out, &BTreeMap::from([((), 1)]), &policy).unwrap_err();
    write_value(&mut out, &BTreeMap::from([(None::<u8>, 1)]), &policy).unwrap_err();
    assert_eq!(out, b"kept");
}

serialize_by!(WrongLength, |serializer| {
    let mut it = serializer.serialize_struct("WrongLength", 0)?;
    it.serialize_field("a", &1)?;
    it.serialize_field("b", &2)?;
    it.end()
});
serialize_by!(KeyWithoutValue, |serializer| {
    let mut it = serializer.serialize_map(None)?;
    it.serialize_key("a")?;
    it.end()
});
serialize_by!(TwoKeys, |serializer| {
    let mut it = serializer.serialize_map(None)?;
    it.serialize_key("a")?;
    let _ = it.serialize_key("b");
    it.serialize_value(&1)?;
    it.end()
});
serialize_by!(ValueWithoutKey, |serializer| {
    let mut it = serializer.serialize_map(None)?;
    it.serialize_value(&1)?;
    it.end()
});
serialize_by!(HalfThenError, |serializer| {
    let mut it = serializer.serialize_seq(None)?;
    it.serialize_element(&1)?;
    Err(S::Error::custom("gave up"))
});
serialize_by!(IgnoresErrors, |serializer| {
    let mut it = serializer.serialize_map(None)?;
    let _ = it.serialize_entry("bad", &HalfThenError);
    let _ = it.serialize_entry(&[1], &1);
    it.serialize_entry("good", &1)?;
    let _ = it.serialize_entry("bad", &KeyWithoutValue);
    it.end()
});
serialize_by!(IgnoresStops, |serializer| {
    let mut it = serializer.serialize_seq(Some(200))?;
    for i in 0..200 {
        let _ = it.serialize_element(&i);
    }
    it.end()
});
serialize_by!(RenamesErrors, |serializer| {
    let mut it = serializer.serialize_seq(Some(200))?;
    for i in 0..200 {
        it.serialize_element(&i).map_err(|_| S::Error::custom("renamed"))?;
    }
    it.end()
});
serialize_by!(EmptyRawValue, |serializer| {
    serializer.serialize_struct("$serde_json::private::RawValue", 1)?.end()
});
serialize_by!(RawValueOfMap, |serializer| {
    let mut it = serializer.serialize_struct("$serde_json::private::RawValue", 1)?;
    it.serialize_field("a", &json!({"password": 1}))?;
    it.serialize_field("b", &1)?;
    it.end()
});

#[test]
fn an_impl_that_breaks_the_rules_still_leaves_json() {
    assert_eq!(text(&WrongLength), r#"{"a":1,"b":2}"#);
    assert_eq!(text(&TwoKeys), r#"{"a":1}"#);
    assert_eq!(text(&IgnoresErrors), r#"{"good":1}"#);
    assert_eq!(text(&[IgnoresErrors, IgnoresErrors]), r#"[{"good":1},{"good":1}]"#);
    assert!(text(&(IgnoresStops, 1)).ends_with(r#"99,"[+100 items]"],1]"#));
    assert!(text(&(RenamesErrors, 1)).ends_with(r#"99,"[+100 items]"],1]"#));
    assert_eq!(text(&RawValueOfMap), r#"{"password":"[redacted: key]"}"#);
    let mut out = b"kept".to_vec();
    let policy = Policy::new();
    let error = write_value(&mut out, &[(json!([1]), HalfThenError)], &policy).unwrap_err();
    assert!(error.to_string().contains("gave up"), "{error}");
    write_value(&mut out, &(KeyWithoutValue, 1), &policy).unwrap_err();
    write_value(&mut out, &(ValueWithoutKey, 1), &policy).unwrap_err();
    write_value(&mut out, &(EmptyRawValue, 1), &policy).unwrap_err();
    assert_eq!(out, b"kept");
}

fn any_string() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>(),
        2 => "[a-zA-Z0-9+/]{0,40}",
        1 => ("[a-z\"\\\\\u{1}é]{1,10}", 1..5_000_usize).prop_map(|(s, n)| s.repeat(n)),
    ]
}

fn any_json(depth: u32, strings: BoxedStrategy<String>) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        strings.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 200, 12, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..12).prop_map(Value::from),
            prop::collection::btree_map(strings.clone(), inner, 0..12)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Puts a member with this key somewhere into the value.
fn plant(value: &mut Value, key: &str, path: &[usize]) {
    let children: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(map) => map.values_mut().collect(),
        _ => Vec::new(),
    };
    match path.split_first() {
        Some((&step, rest)) if !children.is_empty() => {
            let step = step % children.len();
            if let Some(child) = children.into_iter().nth(step) {
                plant(child, key, rest);
            }
        }
        _ => *value = json!({key: ["PLANTED", {"x": "PLANTED"}], "other": value.take()}),
    }
}

/// Levels of nesting, the longest string and the most members anywhere.
fn measure(value: &Value) -> [usize; 3] {
    let (inner, members): (Vec<_>, usize) = match value {
        Value::String(text) => return [0, text.len(), 0],
        Value::Array(items) => (items.iter().map(measure).collect(), items.len()),
        Value::Object(map) => (map.values().map(measure).collect(), map.len()),
        _ => return [0; 3],
    };
    let most = |i: usize| inner.iter().map(|m| m[i]).max().unwrap_or(0);
    [most(0) + 1, most(1), most(2).max(members)]
}

const PLANTS: &[&str] =
    &["password", "apiKey", "X-Api-Key", "client_secret", "AUTHORIZATION", "cookie", "cvv", "refreshToken"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn within_the_limits_the_text_is_that_of_serde_json(value in any_json(6, any::<String>().boxed())) {
        let limits = Limits::new().event_bytes(1 << 30).string_bytes(1 << 20).name_bytes(1 << 20);
        let policy = Policy::new().keys(KeyPolicy::new().off()).limits(limits);
        let expected = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(with(&value, &policy), expected.clone());
        prop_assert_eq!(raw(&serde_json::to_string_pretty(&value).unwrap(), &policy), expected);
    }

    #[test]
    fn every_limit_holds_and_the_text_parses(
        value in any_json(8, any_string().boxed()),
        depth in 1..9_usize, members in 0..9_usize, string in 0..200_usize, bytes in 0..5_000_usize,
    ) {
        let limits = Limits::new().depth(depth).members(members).string_bytes(string).name_bytes(64);
        let policy = Policy::new().limits(limits);
        let boxed = RawValue::from_string(serde_json::to_string(&value).unwrap()).unwrap();
        let mut outs = [Vec::new(), Vec::new()];
        write_value_within(&mut outs[0], &value, &policy, bytes).unwrap();
        write_value_within(&mut outs[1], &boxed, &policy, bytes).unwrap();
        for out in outs {
            prop_assert!(out.len() <= bytes.max(7), "{} > {bytes}", out.len());
            let back: Value = serde_json::from_slice(&out).unwrap();
            let [levels, longest, most] = measure(&back);
            prop_assert!(levels <= depth, "{levels} levels");
            // A marker or a number's text may be longer than the shortest strings asked for.
            prop_assert!(longest <= string.max(64), "{longest} bytes");
            prop_assert!(most <= members + 1, "{most} members");
        }
    }

    #[test]
    fn a_planted_key_never_shows_its_value(
        mut value in any_json(6, any::<String>().boxed()),
        key in prop::sample::select(PLANTS),
        path in prop::collection::vec(0..12_usize, 0..7),
    ) {
        plant(&mut value, key, &path);
        let source = serde_json::to_string(&value).unwrap();
        let policy = Policy::new();
        prop_assert!(source.contains("PLANTED"));
        prop_assert!(!with(&value, &policy).contains("PLANTED"));
        prop_assert!(!raw(&source, &policy).contains("PLANTED"));
        let inner = RawValue::from_string(source).unwrap();
        prop_assert!(!text(&BTreeMap::from([("inner", inner)])).contains("PLANTED"));
    }

    #[test]
    fn any_text_as_raw_json_gives_json(source in "[\\[\\]{}:,\"\\\\a-cu0-9 .eE+-]{0,60}") {
        let json = raw(&source, &Policy::new());
        let back = serde_json::from_str::<Value>(&json);
        prop_assert!(back.is_ok(), "{source} -> {json}");
    }
}
