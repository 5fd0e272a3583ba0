//! What holds of any call and any answer: read after write is the same, and no octets panic.

use lgsp_wire::vxp::{
    Accepted, Acknowledgement, Agency, Answer, Call, Code, Counted, Counting, Endpoint, Extra,
    Fetched, Listed, MessageType, Note, Nothing, Opaque, Received, Registration, Request, Secret,
    Sending, Sent, SentRow, ServiceType, TransportStatus, UnitChange, Unverified, Waiting,
};
use model::Moment;
use proptest::{collection::vec, option, prelude::*};
use serde::{Serialize, de::DeserializeOwned};

use crate::{all, secret};

fn code() -> impl Strategy<Value = Code> {
    "[0-9A-Za-z._-]{1,64}".prop_map(|text| Code::parse(&text).expect("a code"))
}

fn opaque() -> impl Strategy<Value = Opaque> {
    "[!-~]([ -~]{0,30}[!-~])?".prop_map(|text| Opaque::parse(&text).expect("a value"))
}

fn kind() -> impl Strategy<Value = MessageType> {
    prop_oneof![Just(MessageType::Document), Just(MessageType::Status)]
}

fn word() -> impl Strategy<Value = Acknowledgement> {
    use Acknowledgement::{Done, Fail, Processing};
    prop_oneof![Just(Processing), Just(Done), Just(Fail)]
}

fn registration() -> impl Strategy<Value = Registration> {
    let text = || any::<String>();
    (text(), text(), code(), text(), text(), text(), text()).prop_map(
        |(id, pcode, code, name, mail, mobile, fax)| Registration {
            id,
            pcode,
            code,
            name,
            mail,
            mobile,
            fax,
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    let service = ServiceType::Document;
    let sending = (kind(), opaque(), code(), option::of(vec(code(), 0..5))).prop_map(
        move |(kind, hash_file, from, to)| {
            Call::SendEdoc(Sending { service, kind, hash_file, from, to })
        },
    );
    let dates = (option::of(opaque()), option::of(opaque()), option::of(opaque()));
    let pages = (option::of(any::<u32>()), option::of(any::<u32>()));
    let waiting = (kind(), option::of(code()), dates, pages).prop_map(
        move |(kind, from, (from_date, to_date, status), (page_size, page_index))| {
            Call::ReceivedEdocList(Waiting {
                service,
                kind,
                from,
                from_date,
                to_date,
                status,
                page_size,
                page_index,
            })
        },
    );
    let counting = || option::of(kind()).prop_map(move |kind| Counting { service, kind });
    prop_oneof![
        option::of(opaque()).prop_map(Call::AgenciesList),
        any::<u32>().prop_map(Call::AgenciesListQd20),
        Just(Call::SynchronizeUnit),
        registration().prop_map(Call::RegisterAgency),
        code().prop_map(Call::DeleteAgency),
        sending,
        waiting,
        (opaque(), option::of(opaque())).prop_map(|(document, path)| Call::GetEdoc(document, path)),
        opaque().prop_map(Call::DownloadEdoc),
        (opaque(), word()).prop_map(|(document, word)| Call::UpdateStatus(document, word)),
        (kind(), opaque()).prop_map(move |(kind, document)| {
            Call::SentEdocList(Sent { service, kind, document })
        }),
        counting().prop_map(Call::CountReceiveEdoc),
        counting().prop_map(Call::CountReceiveStatus),
    ]
}

fn extra() -> impl Strategy<Value = Vec<Extra>> {
    // No parameter of the axis begins with x-.
    let numbered = |values: Vec<(String, Opaque)>| {
        let named = values.into_iter().enumerate();
        let one = |(n, (name, value)): (usize, (String, Opaque))| {
            Extra::new(&format!("x-{name}{n}"), value)
        };
        named.map(|pair| one(pair).expect("a name")).collect()
    };
    vec(("[A-Za-z!#$%&'*+.^_`|~-]{0,8}", opaque()), 0..4).prop_map(numbered)
}

fn request() -> impl Strategy<Value = Request> {
    (code(), 0..253_402_275_600_000u64, call(), extra())
        .prop_map(|(system, at, call, extra)| Request { system, at: Moment(at), call, extra })
}

fn text() -> impl Strategy<Value = Option<String>> {
    option::of(any::<String>())
}

fn key() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("a key is not empty", |key| !key.is_empty())
}

fn agency() -> impl Strategy<Value = Agency> {
    (text(), text(), key(), text(), text(), text(), text()).prop_map(
        |(id, pid, code, name, mail, old_code, code102)| Agency {
            id,
            pid,
            code,
            name,
            mail,
            old_code,
            code102,
        },
    )
}

fn truth() -> impl Strategy<Value = Option<bool>> {
    option::of(any::<bool>())
}

fn change() -> impl Strategy<Value = UnitChange> {
    let first = (text(), text(), key(), text(), text());
    let second = (text(), option::of(any::<u64>()), truth(), text(), truth());
    (first, second).prop_map(
        |((id, pid, code, name, mail), (center_code, version, deleted, modify_date, is_agency))| {
            UnitChange {
                id,
                pid,
                code,
                name,
                mail,
                center_code,
                version,
                deleted,
                modify_date,
                is_agency,
            }
        },
    )
}

fn received() -> impl Strategy<Value = Received> {
    let status = option::of(any::<String>().prop_map(|word| TransportStatus::parse(&word)));
    (key(), vec(text(), 7), status).prop_map(|(document, mut texts, status)| {
        let mut next = || texts.pop().expect("seven texts");
        Received {
            document,
            service: next(),
            kind: next(),
            created_time: next(),
            updated_time: next(),
            from: next(),
            to: next(),
            status,
            status_desc: next(),
        }
    })
}

fn sent() -> impl Strategy<Value = SentRow> {
    (key(), vec(text(), 13)).prop_map(|(to_code, mut texts)| {
        let mut next = || texts.pop().expect("thirteen texts");
        SentRow {
            service_type: next(),
            message_type: next(),
            title: next(),
            notation: next(),
            from_code: next(),
            to_code,
            sender_doc_id: next(),
            receiver_doc_id: next(),
            send_status: next(),
            send_status_desc: next(),
            sent_time: next(),
            receive_status: next(),
            receive_status_desc: next(),
            received_time: next(),
        }
    })
}

fn same_after_the_wire<P>(code: String, description: String, payload: P)
where
    P: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let note = Note { code, description };
    let refused = Answer::<P>::Refused(note.clone());
    assert_eq!(Answer::read(500, &refused.write()).expect("it was written"), refused);
    let done = Answer::Done(note, payload);
    assert_eq!(Answer::read(200, &done.write()).expect("it was written"), done);
}

/// Text that is nearly an answer or a signed object, so that it comes far into the parsers.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"status\"",
        "\"OK\"",
        "\"FAIL\"",
        "\"data\"",
        "\"DocId\"",
        "\"code\"",
        "\"docId\"",
        "\"count\"",
        "1",
        "null",
        "true",
        "\"ErrorCode\"",
        "\"\\u0000\"",
        "\"XroadVnpt-a\"",
        "\"XroadVnpt-systemid\"",
        "\"",
        "\\",
        "<",
        "H41",
        ";",
        "a",
        "1e9",
        "é",
    ];
    let piece = proptest::sample::select(pieces.to_vec());
    prop_oneof![
        vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes()),
        vec(any::<u8>(), 0..80)
    ]
}

proptest! {
    #[test]
    fn a_request_comes_back_as_it_went(request in request(), key in any::<String>()) {
        let secret = Secret::new(key);
        let built = request.build(&secret).expect("a call of sound values");
        let fields: Vec<_> = built.headers.iter().map(|header| header.field()).collect();
        let verified = Unverified::read(&fields).expect("headers").verify(&secret).expect("signed");
        let read = Request::parse(built.endpoint, &verified, &built.body).expect("the same call");
        prop_assert_eq!(&read, &request);
        let again = read.build(&secret).expect("the same call");
        prop_assert_eq!(again, built);
    }

    #[test]
    fn one_changed_octet_is_seen(request in request(), place in any::<prop::sample::Index>(), octet in 0x20u8..0x7f) {
        let built = request.build(&secret()).expect("a call of sound values");
        let mut headers: Vec<_> = built
            .headers
            .iter()
            .filter(|header| header.name().starts_with("XroadVnpt-"))
            .filter(|header| header.name() != "XroadVnpt-version")
            .map(|header| (header.name().to_owned(), header.value().as_bytes().to_vec()))
            .collect();
        let octets: Vec<_> = headers.iter_mut().flat_map(|header| header.1.iter_mut()).collect();
        let count = octets.len();
        let at = octets.into_iter().nth(place.index(count)).expect("an octet");
        prop_assume!(*at != octet);
        *at = octet;
        let fields: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        // A list of names may change its cases and stay the same list.
        let read = Unverified::read(&fields).ok().and_then(|read| read.verify(&secret()).ok());
        let same = read.and_then(|read| Request::parse(built.endpoint, &read, &built.body).ok());
        if let Some(same) = same {
            prop_assert_eq!(same, request);
        }
    }

    #[test]
    fn agencies_come_back(code: String, desc: String, rows in vec(agency(), 0..4)) {
        same_after_the_wire(code, desc, Listed { rows });
    }

    #[test]
    fn changes_come_back(code: String, desc: String, rows in vec(change(), 0..4)) {
        same_after_the_wire(code, desc, Listed { rows });
    }

    #[test]
    fn received_come_back(code: String, desc: String, rows in vec(received(), 0..4)) {
        same_after_the_wire(code, desc, Listed { rows });
    }

    #[test]
    fn sent_come_back(code: String, desc: String, rows in vec(sent(), 0..4)) {
        same_after_the_wire(code, desc, Listed { rows });
    }

    #[test]
    fn the_others_come_back(code: String, document in key(), count: u64, content in vec(any::<u8>(), 1..99)) {
        same_after_the_wire(code.clone(), String::new(), Accepted { document });
        same_after_the_wire(code.clone(), String::new(), Counted { count });
        same_after_the_wire(code.clone(), String::new(), Fetched { content });
        same_after_the_wire(code, String::new(), Nothing {});
    }

    #[test]
    fn no_octets_panic(values in vec(nearly(), 4), http: u16) {
        let names = ["XroadVnpt-sign-header", "XroadVnpt-sign-header-key", "XroadVnpt-hash-header", "XroadVnpt-a"];
        let fields: Vec<_> = names.into_iter().zip(&values).map(|(n, v)| (n, v.as_slice())).collect();
        if let Ok(read) = Unverified::read(&fields) {
            let found = read.differences(&secret());
            let first = read.verify(&secret()).err();
            prop_assert_eq!(first.as_ref(), found.first());
        }
        let body = &values[0];
        let _ = Answer::<Listed<Agency>>::read(http, body);
        let _ = Answer::<Listed<UnitChange>>::read(200, body);
        let _ = Answer::<Listed<Received>>::read(200, body);
        let _ = Answer::<Listed<SentRow>>::read(200, body);
        let _ = Answer::<Fetched>::read(200, body);
        let _ = Answer::<Accepted>::read(200, body);
    }

    #[test]
    fn no_body_panics(body in nearly(), index in 0usize..11) {
        let call = all().swap_remove(index);
        let fields = call.fields();
        let verified = Unverified::read(&fields).expect("headers").verify(&secret()).expect("signed");
        for endpoint in Endpoint::all() {
            let _ = Request::parse(endpoint, &verified, &body);
        }
    }
}
