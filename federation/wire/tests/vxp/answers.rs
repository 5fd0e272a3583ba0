//! Answers of the axis: written as it writes them, read as they really come, and never an empty list by mistake.

use lgsp_wire::vxp::{
    ANSWER_OCTETS_MAX, Accepted, Acknowledgement, Agency, Answer, Counted, Fetched, Listed, Note,
    Nothing, ROWS_MAX, Received, SentRow, TransportStatus, UnitChange, Unreadable,
};

type Directory = Answer<Listed<Agency>>;

fn agencies(http: u16, body: &str) -> Result<Directory, Unreadable> {
    Answer::read(http, body.as_bytes())
}

#[test]
fn a_success_as_the_axis_writes_it() {
    let body = r#"{"status":"OK","ErrorCode":"0","ErrorDesc":"Thanh cong","DocId":"8af226c8"}"#;
    let answer = Answer::Done(Note::success(), Accepted { document: "8af226c8".to_owned() });
    assert_eq!(Answer::read(200, body.as_bytes()).expect("an answer"), answer);
    assert_eq!(answer.write(), body.as_bytes());
    let nothing = Answer::Done(Note::success(), Nothing {});
    let body = r#"{"status":"OK","ErrorCode":"0","ErrorDesc":"Thanh cong"}"#;
    assert_eq!(nothing.write(), body.as_bytes());
    assert_eq!(Answer::read(201, body.as_bytes()).expect("an answer"), nothing);
    let fetched = Answer::Done(Note::success(), Fetched { content: b"<edXML/>".to_vec() });
    let body = r#"{"status":"OK","ErrorCode":"0","ErrorDesc":"Thanh cong","data":"PGVkWE1MLz4="}"#;
    assert_eq!(fetched.write(), body.as_bytes());
    for data in ["PGVkWE1MLz4=", "PGVkWE1MLz4", r"PGVk\r\nWE1M\r\nLz4="] {
        let body = format!(r#"{{"status":"OK","data":"{data}"}}"#);
        let read: Answer<Fetched> = Answer::read(200, body.as_bytes()).expect("an answer");
        assert!(matches!(read, Answer::Done(_, Fetched { content }) if content == b"<edXML/>"));
    }
}

#[test]
fn a_refusal_keeps_its_words_whatever_http_says() {
    let note = Note {
        code: "18".to_owned(),
        description: "Don vi gui H41.09 khong dung voi ma da dang ky: H41.08".to_owned(),
    };
    let refused: Directory = Answer::Refused(note);
    let body = String::from_utf8(refused.write()).expect("UTF-8");
    assert!(body.starts_with(r#"{"status":"FAIL","ErrorCode":"18","ErrorDesc":"Don vi gui"#));
    for http in [200, 201, 400, 500, 503] {
        assert_eq!(agencies(http, &body).expect("an answer"), refused);
    }
    let bare = agencies(500, r#"{"status":"FAIL","ErrorCode":-1,"data":7}"#).expect("an answer");
    let note = Note { code: "-1".to_owned(), description: String::new() };
    assert_eq!(bare, Answer::Refused(note));
}

#[test]
fn rows_as_they_are_written() {
    let body = r#"{"status":"OK","ErrorCode":0,"ErrorDesc":null,"total":2,"data":[
        {"id":12,"pid":null,"code":"000.00.00.H41","name":"UBND tỉnh Nghệ An","mail":"","oldCode":"H41","phone":[]},
        {"code":"H41.08","code102":"000.00.08.H41"}]}"#;
    let Answer::Done(note, list) = agencies(200, body).expect("an answer") else { panic!() };
    assert_eq!(note, Note { code: "0".to_owned(), description: String::new() });
    let first = Agency {
        id: Some("12".to_owned()),
        code: "000.00.00.H41".to_owned(),
        name: Some("UBND tỉnh Nghệ An".to_owned()),
        mail: Some(String::new()),
        old_code: Some("H41".to_owned()),
        ..Agency::default()
    };
    let second = Agency {
        code: "H41.08".to_owned(),
        code102: Some("000.00.08.H41".to_owned()),
        ..Agency::default()
    };
    assert_eq!(list.rows, [first, second]);

    let body = r#"{"status":"OK","data":[{"docId":"7","serviceType":"eDoc","messageType":"edoc",
        "created_time":"2026/11/20 09:20:41","updated_time":"","from":"H41.08","to":"H41.101",
        "status":"initial","status_desc":"Moi"},{"docId":"8","status":"processing"},
        {"docId":"9","status":"held"}]}"#;
    let answer: Answer<Listed<Received>> = Answer::read(200, body.as_bytes()).expect("an answer");
    let Answer::Done(_, list) = answer else { panic!() };
    let statuses: Vec<_> =
        list.rows.iter().map(|row| row.status.clone().expect("it is there")).collect();
    let acknowledged = TransportStatus::Acknowledged(Acknowledgement::Processing);
    let other = TransportStatus::Other("held".to_owned());
    assert_eq!(statuses, [TransportStatus::Initial, acknowledged, other]);

    let body = r#"{"status":"OK","data":[{"code":"H41.08","version":"3","deleted":"true",
        "isAgency":1,"centerCode":"vxp","modifyDate":"2026"},{"code":"H41.09","version":4,"deleted":false}]}"#;
    let answer: Answer<Listed<UnitChange>> = Answer::read(200, body.as_bytes()).expect("an answer");
    let Answer::Done(_, list) = answer else { panic!() };
    let facts: Vec<_> =
        list.rows.iter().map(|row| (row.version, row.deleted, row.is_agency)).collect();
    assert_eq!(facts, [(Some(3), Some(true), Some(true)), (Some(4), Some(false), None)]);

    let body = r#"{"status":"OK","data":[{"toCode":"H41.101","senderDocId":"7","sendStatus":"done",
        "receiveStatusDesc":"Da nhan"}]}"#;
    let answer: Answer<Listed<SentRow>> = Answer::read(200, body.as_bytes()).expect("an answer");
    let Answer::Done(_, list) = answer else { panic!() };
    assert_eq!(list.rows[0].receive_status_desc.as_deref(), Some("Da nhan"));

    for count in ["7", "\"7\""] {
        let body = format!(r#"{{"status":"OK","count":{count}}}"#);
        let answer: Answer<Counted> = Answer::read(200, body.as_bytes()).expect("an answer");
        assert_eq!(
            answer,
            Answer::Done(
                Note { code: String::new(), description: String::new() },
                Counted { count: 7 }
            )
        );
    }
}

#[test]
fn an_empty_list_is_one_that_says_so() {
    let answer = agencies(200, r#"{"status":"OK","data":[]}"#).expect("an answer");
    assert!(matches!(answer, Answer::Done(_, Listed { rows }) if rows.is_empty()));
    for body in [
        r#"{"status":"OK"}"#,
        r#"{"status":"OK","data":null}"#,
        r#"{"status":"OK","data":""}"#,
        r#"{"status":"OK","data":{}}"#,
        r#"{"status":"OK","data":[null]}"#,
        r#"{"status":"OK","data":[{}]}"#,
        r#"{"status":"OK","data":[{"code":""}]}"#,
        r#"{"status":"OK","data":[["1","2","H41","3","4","5","6"]]}"#,
        r#"{"status":"OK","data":[{"code":null}]}"#,
        r#"{"status":"OK","data":[{"code":["H41"]}]}"#,
        r#"{"status":"OK","data":[{"code":"H41"},{"code":1.5}]}"#,
        r#"{"status":"OK","data":[{"code":"H41","code":"H42"}]}"#,
    ] {
        assert!(matches!(agencies(200, body), Err(Unreadable::Payload(_))), "{body}");
    }
    let Err(Unreadable::Payload(error)) =
        agencies(200, r#"{"status":"OK","data":[{"code":"H41"},{"name":"x"}]}"#)
    else {
        panic!("the second row has no code")
    };
    assert!(error.to_string().starts_with("row 1: missing field `code`"), "{error}");
}

#[test]
fn answers_that_cannot_be_read() {
    for body in ["", " \r\n"] {
        assert!(matches!(agencies(200, body), Err(Unreadable::Empty { http: 200 })));
    }
    for body in ["<html><body>502 Bad Gateway</body></html>", "\n<?xml version=\"1.0\"?>"] {
        assert!(matches!(agencies(200, body), Err(Unreadable::Markup { http: 200 })));
    }
    for body in [
        "OK",
        "{",
        "[]",
        "null",
        "\"OK\"",
        r#"{"status":{}}"#,
        r#"{"status":"OK"}}"#,
        r#"{"status":"OK","data":["#,
        r#"{"status":"OK","status":"FAIL"}"#,
        r#"["OK","0",""]"#,
        r#"{"status":"OK","data":[{"code":"H4"#,
    ] {
        assert!(matches!(agencies(502, body), Err(Unreadable::Form { http: 502, .. })), "{body}");
    }
    for body in [
        r#"{}"#,
        r#"{"status":null}"#,
        r#"{"status":"ok"}"#,
        r#"{"status":0}"#,
        r#"{"Status":"OK"}"#,
    ] {
        assert!(matches!(agencies(200, body), Err(Unreadable::Verdict { .. })), "{body}");
    }
    for http in [0, 202, 204, 302, 400, 500] {
        let read = agencies(http, r#"{"status":"OK","data":[]}"#);
        assert!(matches!(read, Err(Unreadable::Contradiction { http: h }) if h == http));
    }
    for data in ["\"\"", "\"=\"", "\"á\"", "\"A\"", "7", "null", "\"\\r\\n\""] {
        let body = format!(r#"{{"status":"OK","data":{data}}}"#);
        let read: Result<Answer<Fetched>, _> = Answer::read(200, body.as_bytes());
        assert!(matches!(read, Err(Unreadable::Payload(_))), "{data}");
    }
    for body in
        [r#"{"status":"OK"}"#, r#"{"status":"OK","DocId":""}"#, r#"{"status":"OK","docId":"7"}"#]
    {
        let read: Result<Answer<Accepted>, _> = Answer::read(200, body.as_bytes());
        assert!(matches!(read, Err(Unreadable::Payload(_))), "{body}");
    }
    for count in ["-1", "1.5", "null", "\"\"", "\"x\""] {
        let body = format!(r#"{{"status":"OK","count":{count}}}"#);
        let read: Result<Answer<Counted>, _> = Answer::read(200, body.as_bytes());
        assert!(matches!(read, Err(Unreadable::Payload(_))), "{count}");
    }
}

#[test]
fn limits_hold() {
    let deep = format!(r#"{{"status":"OK","x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    // What is not asked for is passed over without a stack; what is asked for is missing.
    assert!(matches!(agencies(200, &deep), Err(Unreadable::Payload(_))));
    let long = vec![b' '; ANSWER_OCTETS_MAX + 1];
    let read: Result<Directory, _> = Answer::read(200, &long);
    assert!(matches!(read, Err(Unreadable::TooLong)));
    let rows = |count: usize| {
        let rows = vec![r#"{"count":1}"#; count].join(",");
        let body = format!(r#"{{"status":"OK","data":[{rows}]}}"#);
        Answer::<Listed<Counted>>::read(200, body.as_bytes())
    };
    assert!(matches!(rows(ROWS_MAX), Ok(Answer::Done(_, list)) if list.rows.len() == ROWS_MAX));
    assert!(matches!(rows(ROWS_MAX + 1), Err(Unreadable::Payload(_))));
}
