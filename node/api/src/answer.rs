//! Answers: JSON, pages, dates.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use model::Moment;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;

use crate::{dto::Page, query};

/// JSON that nobody may keep.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("our own structures are JSON");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One page: the records are at most one more than the limit, and that one says that there is a next page.
pub(crate) fn page<R, T: From<R> + Serialize, K: ToString>(
    uri: &Uri,
    mut records: Vec<R>,
    limit: usize,
    key: impl Fn(&R) -> K,
) -> Response {
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records.last().filter(|_| more).map(|last| query::cursor(key(last)));
    let link = next.as_deref().map(|next| next_link(uri, "cursor", next));
    let page = Page { items: records.into_iter().map(T::from).collect(), next };
    let mut response = json(StatusCode::OK, &page);
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// What may not stand in the target of a link, besides all that is not ASCII (RFC 3986).
const NOT_IN_A_TARGET: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// The same target with another value of one parameter. HTTP lets raw UTF-8 through in a query, a link does not.
pub(crate) fn next_link(uri: &Uri, name: &str, next: &str) -> HeaderValue {
    let others = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(name));
    let mut target = format!("{}?{name}={next}", uri.path());
    for pair in others {
        target.push('&');
        target.push_str(pair);
    }
    let target = utf8_percent_encode(&target, NOT_IN_A_TARGET);
    HeaderValue::from_str(&format!("<{target}>; rel=\"next\""))
        .expect("what is percent-encoded is visible ASCII")
}

/// Sets a header whose value is ours.
pub(crate) fn set(response: &mut Response, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("our own values are visible ASCII");
    response.headers_mut().insert(name, value);
}

/// A moment as an HTTP date (RFC 9110 section 5.6.7), parts of a second cut.
pub(crate) fn http_date(moment: Moment) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = moment.to_string();
    // RFC 3339 of a year with four digits has its parts at fixed places; later years do not come here.
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or("00");
    let day = DAYS[(moment.secs() / 86_400 % 7) as usize];
    let month =
        part(5, 7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    format!(
        "{day}, {} {} {} {} GMT",
        part(8, 10),
        month.unwrap_or(&"Jan"),
        part(0, 4),
        part(11, 19)
    )
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_imf_fixdates() {
        assert_eq!(http_date(Moment(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(Moment(784_111_777_000)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(Moment(1_795_334_851_204)), "Sun, 22 Nov 2026 08:07:31 GMT");
        http_date(Moment(u64::MAX));
    }

    #[test]
    fn the_next_page_keeps_the_other_parameters() {
        let uri: Uri = "/v1/units?q=n%C3%B4ng&cursor=old&limit=2".parse().expect("a target");
        assert_eq!(
            next_link(&uri, "cursor", "new"),
            "</v1/units?cursor=new&q=n%C3%B4ng&limit=2>; rel=\"next\""
        );
    }

    proptest! {
        #[test]
        fn any_query_has_a_next_page_that_asks_the_same(query in "[^#]{0,60}", blank in "[\\s\u{a0}<>\"]{0,4}") {
            let Ok(uri) = format!("/v1/units?q={blank}{query}").parse::<Uri>() else { return Ok(()) };
            let link = next_link(&uri, "cursor", "new");
            let link = link.to_str().expect("a link is visible ASCII");
            let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
            let target = target.expect("a link in angle brackets");
            prop_assert!(!target.contains(['<', '>', '"', ' ']), "{}", target);
            let next: Uri = target.parse().expect("a target");
            prop_assert_eq!(&parameters(&next)[0], "cursor=new");
            let kept = parameters(&uri).into_iter().filter(|pair| {
                !pair.is_empty() && pair != "cursor" && !pair.starts_with("cursor=")
            });
            prop_assert_eq!(&parameters(&next)[1..], &kept.collect::<Vec<_>>());
        }
    }

    fn parameters(uri: &Uri) -> Vec<String> {
        let pairs = uri.query().unwrap_or_default().split('&');
        pairs.map(|pair| format!("{}", percent_decode_str(pair).decode_utf8_lossy())).collect()
    }
}
