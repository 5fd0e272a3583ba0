//! The national side to practise on: what `lgsp simulate` says.

use simulator::{PROVIDED_MAX, ProvidedError, SCRIPT_STEPS_MAX, ScriptError, StepError, SwitchError};

use super::{
    Lang, Text,
    help::{Entry, t},
    texts,
};

/// Help.
pub const HELP: Entry = Entry {
    path: "simulate",
    about: t(
        "Chạy một phía bên ngoài để thử trên máy này",
        "Run another side to practise on, on this machine",
    ),
    examples: ["lgsp simulate national", "lgsp simulate national --seed 7"],
    args: &[],
};

/// Help.
pub const HELP_NATIONAL: Entry = Entry {
    path: "simulate national",
    about: t(
        "Chạy phía quốc gia mô phỏng: trục văn bản VXP, cổng OAuth2, máy chủ X-Road; chỉ nghe trên máy này",
        "Run a simulated national side: the document axis VXP, a gateway with OAuth2, a server of X-Road; on loopback only",
    ),
    examples: [
        "lgsp simulate national --fault vxp.sendEdoc=lost-answer:0.1",
        "lgsp simulate national --script '*=01:2s,03:10s,06:1min' --provide soap:TraCuuHoSo=http://127.0.0.1:8000/service",
    ],
    args: &[
        ("port", t("Cổng trên máy này; 0 là cổng bất kỳ còn trống", "The port on loopback; 0 for any free one")),
        (
            "seed",
            t(
                "Mọi mã, khoá và sự ngẫu nhiên theo số này; cùng số thì như nhau",
                "Codes, secrets and chance follow from it; the same number gives the same",
            ),
        ),
        (
            "fault",
            t(
                "Lỗi bật từ đầu, ghi được nhiều lần: vxp.sendEdoc=lost-answer:0.1",
                "A fault from the start, may be repeated: vxp.sendEdoc=lost-answer:0.1",
            ),
        ),
        (
            "scene",
            t(
                "Tệp kịch bản: lúc nào, ai gửi gì, lỗi nào bật",
                "A file of scenes: when, who sends what, which fault is on",
            ),
        ),
        (
            "system",
            t(
                "Hệ thống của bạn, không ai trả lời thay; ghi được nhiều lần, mã đầu tiên cung cấp dịch vụ; nếu không ghi: H41 và H41.08",
                "A system of yours, for which nobody answers; may be repeated, the first one provides services; without it H41 and H41.08",
            ),
        ),
        (
            "script",
            t(
                "Cơ quan (hoặc *) trả lời văn bản bằng trạng thái nào, sau bao lâu; ghi được nhiều lần: H37=01:2s,03:1min,recall:5s",
                "With which statuses a body (or *) answers a document, and after how long; may be repeated: H37=01:2s,03:1min,recall:5s",
            ),
        ),
        (
            "standing_clock",
            t(
                "Đồng hồ đứng ở giờ này (giờ Việt Nam) đến khi được chỉnh: \"2026/11/29 08:30:15\"",
                "The clock stands at this time of Việt Nam until it is moved: \"2026/11/29 08:30:15\"",
            ),
        ),
        (
            "provide",
            t(
                "Dịch vụ của bạn trên máy này để người khác gọi qua X-Road, ghi được nhiều lần: soap:TraCuuHoSo=http://127.0.0.1:8000/service",
                "A service of yours on this machine that others call through X-Road, may be repeated: soap:TraCuuHoSo=http://127.0.0.1:8000/service",
            ),
        ),
        ("slow", t("Lỗi slow làm chậm bao lâu: \"5 s\"", "How late an answer comes by the fault slow: \"5 s\"")),
        ("tls", t("Nói TLS với chứng thư tự cấp", "Speak TLS with a certificate of its own")),
        (
            "authority",
            t(
                "Ghi chứng thư của cơ quan cấp ra tệp này (PEM)",
                "Write the certificate of its authority to this file (PEM)",
            ),
        ),
        (
            "old_error_names",
            t("Tên lỗi X-Road như trước bản 7.8", "Names of X-Road's errors as before version 7.8"),
        ),
    ],
};

texts! {
    STARTED = "đang chạy tại {url}; dừng bằng Ctrl-C", "running at {url}; stop it with Ctrl-C";

    TRUST_FILE = "Để curl tin chứng thư của nó: export CURL_CA_BUNDLE={file}", "So that curl trusts its certificate: export CURL_CA_BUNDLE={file}";
    TRUST_TEXT = "Chứng thư của cơ quan cấp; ghi vào một tệp rồi export CURL_CA_BUNDLE=TỆP, hoặc chạy với --authority TỆP:", "The certificate of its authority; save it and export CURL_CA_BUNDLE=FILE, or run with --authority FILE:";

    NOT_STARTED = "Không chạy được phía mô phỏng.", "The simulation could not be started.";
    PORT_WHY = "không mở được cổng {port} trên máy này", "port {port} of loopback cannot be opened";
    PORT_FIX = "chọn cổng khác: lgsp simulate national --port 0", "choose another one: lgsp simulate national --port 0";
    CERTIFICATE_WHY = "không lập được chứng thư", "no certificate could be made";
    CERTIFICATE_FIX = "thử lại, hoặc chạy không có --tls", "try again, or leave --tls out";

    FAULT = "Không bật được lỗi {fault}.", "The fault {fault} cannot be turned on.";
    FAULT_FIX = "xem các lời gọi và lỗi: curl http://127.0.0.1:18089/_sim/", "see which calls and faults there are: curl http://127.0.0.1:18089/_sim/";
    FAULT_FORM = "lỗi ghi là nhóm.lời-gọi=lỗi:xác-suất, như vxp.sendEdoc=lost-answer:0.1", "a fault is written family.call=fault:probability, as in vxp.sendEdoc=lost-answer:0.1";
    FAULT_FAMILY = "nhóm là một trong vxp, gateway, xroad, connection", "the family is one of vxp, gateway, xroad, connection";
    FAULT_CALL = "{family} chỉ có các lời gọi {calls}", "{family} has the calls {calls}";
    FAULT_NONE = "không có lỗi nào tên như vậy", "there is no fault of that name";
    FAULT_UNFIT = "lỗi {fault} không xảy ra được với lời gọi này", "{fault} cannot happen to this call";
    FAULT_CHANCE = "xác suất là một số từ 0 đến 1, tối đa sáu chữ số lẻ", "the probability is a number from 0 to 1, with six digits after the point at most";
    FAULT_NO_TLS = "plain-http cần --tls", "plain-http needs --tls";

    SCRIPT = "Không hiểu kịch bản trả lời {script}.", "The script {script} cannot be understood.";
    SCRIPT_FIX = "ghi như: --script 'H37=01:2s,03:1min,recall:5s'; * là mọi cơ quan; không ghi trạng thái là im lặng", "write it as in: --script 'H37=01:2s,03:1min,recall:5s'; * is every body; one without statuses is silent";
    SCRIPT_FORM = "kịch bản ghi là cơ-quan=trạng-thái:sau,…", "a script is written body=status:after,…";
    SCRIPT_BODY = "cơ quan là một mã, hoặc * cho mọi cơ quan", "the body is a code, or * for every body";
    SCRIPT_STATUS = "trạng thái là một trong 01 đến 06, hoặc recall", "a status is one of 01 to 06, or recall";
    SCRIPT_SPAN = "thời gian là một số và đơn vị ms, s, min, h hoặc d", "a span is a number and a unit: ms, s, min, h or d";
    SCRIPT_STRANGE = "danh bạ không có mã này (mã ngắn, như H37), hoặc đó là hệ thống của bạn", "the directory has no such code (the short one, as H37), or it is a system of yours";
    SCRIPT_STRANGE_FIX = "xem danh bạ: curl http://127.0.0.1:18089/listClients; mã của bạn ghi ở --system", "see who is there: curl http://127.0.0.1:18089/listClients; your own codes stand in --system";
    SCRIPT_MANY = "một kịch bản có tối đa {most} trạng thái", "a script has {most} statuses at most";

    SYSTEM = "{system} không phải là mã của một hệ thống.", "{system} is no code of a system.";
    SYSTEM_FIX = "ghi mã của cơ quan, như H41.101", "write the code of a body, as H41.101";
    SPAN = "{span} không phải là một khoảng thời gian.", "{span} is no span of time.";
    SPAN_FIX = "ghi như: --slow \"5 s\"", "write it as in: --slow \"5 s\"";

    CLOCK = "Đồng hồ không đứng được ở {time}.", "The clock cannot stand at {time}.";
    CLOCK_WHY = "giờ Việt Nam ghi là 2026/11/29 08:30:15, từ tháng 7/2025 đến năm 9989", "a time of Việt Nam is written 2026/11/29 08:30:15, from July 2025 to 9989";
    CLOCK_FIX = "ghi như: --standing-clock \"2026/11/29 08:30:15\"", "write it as in: --standing-clock \"2026/11/29 08:30:15\"";

    SERVICE = "Không cung cấp được dịch vụ {service}.", "The service {service} cannot be provided.";
    SERVICE_FIX = "ghi như: --provide soap:TraCuuHoSo=http://127.0.0.1:8000/service", "write it as in: --provide soap:TraCuuHoSo=http://127.0.0.1:8000/service";
    SERVICE_FORM = "dịch vụ ghi là giao-thức:mã=địa-chỉ", "a service is written protocol:code=address";
    SERVICE_PROTOCOL = "giao thức là rest hoặc soap", "the protocol is rest or soap";
    SERVICE_CODE = "mã dịch vụ trống, quá dài, hoặc có ký tự không được dùng", "the code of the service is empty, too long, or has characters that may not be used";
    SERVICE_ADDRESS = "địa chỉ là http:// với 127.0.0.1 hoặc localhost, không có phần ?", "the address is http:// with 127.0.0.1 or localhost, and has no query";
    SERVICE_TWICE = "hai dịch vụ cùng mã", "two services have the same code";
    SERVICE_MANY = "tối đa {most} dịch vụ", "there may be {most} services at most";

    SCENE = "Kịch bản {file} sai ở dòng {line}.", "The scene {file} is wrong in line {line}.";
    SCENE_FIX = "sửa dòng đó; mẫu: at 2 s fault vxp.getEdoc=slow:1", "mend that line; an example: at 2 s fault vxp.getEdoc=slow:1";
    STEP_TIME = "mỗi dòng bắt đầu bằng «at», một số và đơn vị ms, s, min, h hoặc d", "a line begins with «at», a number and a unit: ms, s, min, h or d";
    STEP_VERB = "mỗi dòng làm một trong send, fault, clock", "a line does one of send, fault, clock";
    STEP_FIELD = "thiếu hoặc sai {field}", "{field} is missing or wrong";
    STEP_CLOCK = "đồng hồ chỉnh bằng «forward» hoặc «back» và một khoảng", "the clock is moved by «forward» or «back» and a span";
    STEP_MANY = "quá nhiều dòng", "there are too many lines";
}

/// Why a text is no switch.
pub fn of_switch(lang: Lang, error: &SwitchError) -> String {
    let plain = |text: Text| text.in_lang(lang).to_owned();
    match error {
        SwitchError::Form => plain(FAULT_FORM),
        SwitchError::Family => plain(FAULT_FAMILY),
        SwitchError::Call(family) => {
            let calls = family.calls().join(", ");
            FAULT_CALL.fill(lang, &[("family", &family.as_str()), ("calls", &calls)])
        }
        SwitchError::Fault => plain(FAULT_NONE),
        SwitchError::Unfit(fault) => FAULT_UNFIT.fill(lang, &[("fault", &fault.as_str())]),
        SwitchError::Chance => plain(FAULT_CHANCE),
        SwitchError::NoTls => plain(FAULT_NO_TLS),
    }
}

/// What is wrong with a line of a scene.
pub fn of_step(lang: Lang, error: &StepError) -> String {
    let plain = |text: Text| text.in_lang(lang).to_owned();
    match error {
        StepError::Time => plain(STEP_TIME),
        StepError::Verb => plain(STEP_VERB),
        StepError::Field(field) => STEP_FIELD.fill(lang, &[("field", field)]),
        StepError::Fault(error) => of_switch(lang, error),
        StepError::Clock(_) => plain(STEP_CLOCK),
        StepError::TooMany => plain(STEP_MANY),
    }
}

/// Why a text is no script.
pub fn of_script(lang: Lang, error: ScriptError) -> String {
    match error {
        ScriptError::Form => SCRIPT_FORM.in_lang(lang).to_owned(),
        ScriptError::Body => SCRIPT_BODY.in_lang(lang).to_owned(),
        ScriptError::Status => SCRIPT_STATUS.in_lang(lang).to_owned(),
        ScriptError::Span => SCRIPT_SPAN.in_lang(lang).to_owned(),
        ScriptError::TooMany => SCRIPT_MANY.fill(lang, &[("most", &SCRIPT_STEPS_MAX)]),
    }
}

/// Why services are not provided.
pub fn of_provided(lang: Lang, error: ProvidedError) -> String {
    let plain = |text: Text| text.in_lang(lang).to_owned();
    match error {
        ProvidedError::Form => plain(SERVICE_FORM),
        ProvidedError::Protocol => plain(SERVICE_PROTOCOL),
        ProvidedError::Code => plain(SERVICE_CODE),
        ProvidedError::Address => plain(SERVICE_ADDRESS),
        ProvidedError::Twice => plain(SERVICE_TWICE),
        ProvidedError::TooMany => SERVICE_MANY.fill(lang, &[("most", &PROVIDED_MAX)]),
    }
}
