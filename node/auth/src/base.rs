//! The signature base of RFC 9421 section 2.5: one line a component, then the parameters.
//!
//! Supported: header fields, and the derived components of requests. Component parameters other
//! than the name of `@query-param` are refused: no client of ours needs them.

use sfv::{BareItem, InnerList, Item, ListSerializer, StringRef};

use crate::{PublicNames, Rejection, RequestHead, head::PublicName};

/// The most components of one signature: all that a request can sensibly have, twice over.
const COMPONENTS_MAX: usize = 64;

/// The canonical text of a signature's input: what `@signature-params` stands for.
/// Order of components and parameters is that of the client.
pub(crate) fn serialize(list: &InnerList) -> String {
    let mut text = String::with_capacity(256);
    let mut outer = ListSerializer::with_buffer(&mut text);
    let mut inner = outer.inner_list();
    inner.items(&list.items);
    let _ = inner.finish().parameters(&list.params);
    text
}

/// Builds the base. `params` is the text of [`serialize`] for the same list.
pub(crate) fn build(
    head: &RequestHead<'_>,
    names: &PublicNames,
    list: &InnerList,
    params: &str,
) -> Result<Vec<u8>, Rejection> {
    if list.items.len() > COMPONENTS_MAX {
        return Err(Rejection::Malformed {
            field: "signature-input",
            reason: "too many components",
        });
    }
    let mut out = Vec::with_capacity(512 + params.len());
    for (index, item) in list.items.iter().enumerate() {
        let name = component_name(item)?;
        // Named twice, it would be unclear which value was meant; others have been fooled by it.
        if list.items[..index].contains(item) {
            return Err(refused(item, "it is covered twice"));
        }
        if name.starts_with('@') {
            derived(head, names, item, name, &mut out)?;
        } else {
            field(head, item, name, &mut out)?;
        }
        out.push(b'\n');
    }
    out.extend_from_slice(b"\"@signature-params\": ");
    out.extend_from_slice(params.as_bytes());
    Ok(out)
}

/// The text of a component's name, which is a string by RFC 9421 section 2.
pub(crate) fn component_name(item: &Item) -> Result<&str, Rejection> {
    match &item.bare_item {
        BareItem::String(name) => Ok(name.as_str()),
        _ => Err(Rejection::Malformed {
            field: "signature-input",
            reason: "a component is a quoted name",
        }),
    }
}

fn refused(item: &Item, reason: &'static str) -> Rejection {
    let mut component = String::new();
    let _ = sfv::ItemSerializer::with_buffer(&mut component)
        .bare_item(&item.bare_item)
        .parameters(&item.params);
    Rejection::ComponentRefused { component, reason }
}

fn begin(name: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\": ");
}

fn field(
    head: &RequestHead<'_>,
    item: &Item,
    name: &str,
    out: &mut Vec<u8>,
) -> Result<(), Rejection> {
    if let Some((parameter, _)) = item.params.iter().next() {
        return Err(refused(
            item,
            match parameter.as_str() {
                "req" => "a request has no other request to speak of",
                "tr" => "trailers are not accepted",
                _ => {
                    "component parameters (sf, bs, key) are not supported: cover the field as it is"
                }
            },
        ));
    }
    if name.is_empty()
        || !name.bytes().all(|c| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&c)
        })
    {
        return Err(refused(item, "it is not the name of a field in lower case"));
    }
    // The value of an absent field is not empty: it is absent, and nothing was signed.
    let value = head.joined(name)?.ok_or_else(|| refused(item, "the request has no such field"))?;
    begin(name, out);
    out.extend_from_slice(&value);
    Ok(())
}

fn derived(
    head: &RequestHead<'_>,
    names: &PublicNames,
    item: &Item,
    name: &str,
    out: &mut Vec<u8>,
) -> Result<(), Rejection> {
    let target = || names.find(head.authority).ok_or(Rejection::AuthorityUnknown);
    if name == "@query-param" {
        return query_param(head, item, out);
    }
    if !item.params.is_empty() {
        return Err(refused(item, "this component takes no parameters"));
    }
    begin(name, out);
    match name {
        "@method" => out.extend_from_slice(head.method.as_bytes()),
        "@authority" => out.extend_from_slice(target()?.as_called(head.authority).as_bytes()),
        "@scheme" => out.extend_from_slice(target()?.scheme.as_str().as_bytes()),
        "@target-uri" => target_uri(head, target()?, out),
        "@request-target" => path_and_query(head, out),
        "@path" => out.extend_from_slice(path(head).as_bytes()),
        "@query" => {
            // Without a query the value is a lone question mark (RFC 9421 section 2.2.7).
            out.push(b'?');
            out.extend_from_slice(head.query.unwrap_or_default().as_bytes());
        }
        "@status" => return Err(refused(item, "a request has no status")),
        "@signature-params" => {
            return Err(refused(item, "the parameters are always covered and never listed"));
        }
        _ => return Err(refused(item, "there is no such derived component")),
    }
    Ok(())
}

fn path<'a>(head: &RequestHead<'a>) -> &'a str {
    if head.path.is_empty() { "/" } else { head.path }
}

fn path_and_query(head: &RequestHead<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(path(head).as_bytes());
    if let Some(query) = head.query {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
}

fn target_uri(head: &RequestHead<'_>, name: &PublicName, out: &mut Vec<u8>) {
    out.extend_from_slice(name.scheme.as_str().as_bytes());
    out.extend_from_slice(b"://");
    out.extend_from_slice(name.as_called(head.authority).as_bytes());
    path_and_query(head, out);
}

/// RFC 9421 section 2.2.8: names and values are compared and written in one encoding.
fn query_param(head: &RequestHead<'_>, item: &Item, out: &mut Vec<u8>) -> Result<(), Rejection> {
    let mut params = item.params.iter();
    let wanted = match (params.next(), params.next()) {
        (Some((key, BareItem::String(wanted))), None) if key.as_str() == "name" => wanted,
        _ => return Err(refused(item, "the parameter name, and no other, is expected")),
    };
    let query = head.query.unwrap_or_default();
    let mut found = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (recode(name) == wanted.as_str()).then(|| recode(value))
    });
    let value = found.next().ok_or_else(|| refused(item, "the query has no such parameter"))?;
    if found.next().is_some() {
        return Err(refused(item, "the query has this parameter twice"));
    }
    let wanted: &StringRef = wanted;
    let mut name = String::new();
    let _ = sfv::ItemSerializer::with_buffer(&mut name).bare_item(wanted);
    out.extend_from_slice(b"\"@query-param\";name=");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    Ok(())
}

/// Decodes a name or value of a form (plus is a space) and percent-encodes it again.
fn recode(text: &str) -> String {
    let octets = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut index = 0;
    while let Some(&octet) = octets.get(index) {
        index += 1;
        let decoded = match octet {
            b'+' => b' ',
            b'%' => match octets.get(index..index + 2).and_then(hex_octet) {
                Some(decoded) => {
                    index += 2;
                    decoded
                }
                None => b'%',
            },
            _ => octet,
        };
        if decoded.is_ascii_alphanumeric() || b"*-._".contains(&decoded) {
            out.push(decoded as char);
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(HEX[usize::from(decoded >> 4)] as char);
            out.push(HEX[usize::from(decoded & 15)] as char);
        }
    }
    out
}

fn hex_octet(digits: &[u8]) -> Option<u8> {
    let digit = |c: u8| (c as char).to_digit(16);
    u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::signature_base;

    fn base(input: &str) -> Result<String, Rejection> {
        let head = RequestHead {
            method: "GET",
            authority: "A.example:443",
            path: "/v1/units",
            query: Some("q=s%E1%BB%9F+n&q2=a%2fb&r=1&r=2&empty"),
            headers: &[("x-a", b" 1 "), ("x-a", b"2"), ("x-e", b"")],
        };
        let names = PublicNames::new(["https://a.example"]).expect("a name");
        signature_base(&head, &names, input).map(|base| String::from_utf8(base).expect("text"))
    }

    fn line(component: &str) -> String {
        let base = base(&format!("({component})")).expect("a base");
        base.split_once('\n').expect("two lines").0.to_owned()
    }

    #[test]
    fn derived_components_are_those_of_the_rfc() {
        assert_eq!(line("\"@method\""), "\"@method\": GET");
        assert_eq!(line("\"@authority\""), "\"@authority\": a.example");
        assert_eq!(line("\"@scheme\""), "\"@scheme\": https");
        assert_eq!(line("\"@path\""), "\"@path\": /v1/units");
        assert_eq!(line("\"@query\""), "\"@query\": ?q=s%E1%BB%9F+n&q2=a%2fb&r=1&r=2&empty");
        assert_eq!(
            line("\"@target-uri\""),
            "\"@target-uri\": https://a.example/v1/units?q=s%E1%BB%9F+n&q2=a%2fb&r=1&r=2&empty"
        );
        assert_eq!(
            line("\"@query-param\";name=\"q\""),
            "\"@query-param\";name=\"q\": s%E1%BB%9F%20n"
        );
        assert_eq!(line("\"@query-param\";name=\"q2\""), "\"@query-param\";name=\"q2\": a%2Fb");
        assert_eq!(line("\"@query-param\";name=\"empty\""), "\"@query-param\";name=\"empty\": ");
        assert_eq!(line("\"x-a\""), "\"x-a\": 1, 2");
        assert_eq!(line("\"x-e\""), "\"x-e\": ");
    }

    #[test]
    fn an_ipv6_name_is_signed_as_its_caller_spells_it() {
        let names = PublicNames::new(["https://[::1]:8443"]).expect("a name");
        for spelt in ["[::1]:8443", "[0:0:0:0:0:0:0:1]:8443", "[0:0::0001]:8443"] {
            let head = RequestHead {
                method: "GET",
                authority: spelt,
                path: "/v1/units",
                query: None,
                headers: &[],
            };
            let base = signature_base(&head, &names, "(\"@target-uri\")").expect("a base");
            let line = format!("\"@target-uri\": https://{spelt}/v1/units\n");
            assert!(base.starts_with(line.as_bytes()), "{spelt}");
        }
    }

    #[test]
    fn parameters_keep_their_order_and_lose_their_spelling() {
        let written = "( \"@method\"   \"x-a\" );keyid=\"k\"; created=0016;  tag=\"t\\\"\";x;y=?1;z=?0;n=1.50;b=:YQ:";
        let base = base(written).expect("a base");
        let last = base.rsplit('\n').next().expect("a line");
        assert_eq!(
            last,
            "\"@signature-params\": (\"@method\" \"x-a\");keyid=\"k\";created=16;tag=\"t\\\"\";x;y;z=?0;n=1.5;b=:YQ==:"
        );
    }

    #[test]
    fn components_that_say_too_little_are_refused() {
        for component in [
            "\"@method\" \"@method\"",
            "\"x-a\" \"x-a\"",
            "\"@method\";req",
            "\"x-a\";req",
            "\"x-a\";tr",
            "\"x-a\";sf",
            "\"x-a\";bs",
            "\"x-a\";key=\"a\"",
            "\"@status\"",
            "\"@unknown\"",
            "\"@\"",
            "\"@signature-params\"",
            "\"X-A\"",
            "\"absent\"",
            "\"\"",
            "\"a b\"",
            "x-a",
            "1",
            "\"@query-param\"",
            "\"@query-param\";name=\"r\"",
            "\"@query-param\";name=\"none\"",
            "\"@query-param\";name=\"q\";req",
        ] {
            assert!(base(&format!("({component})")).is_err(), "{component}");
        }
        assert!(base("\"@method\"").is_err());
    }
}
