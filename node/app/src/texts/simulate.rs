//! The national side to practise on: what `lgsp simulate` says.

use simulator::{StepError, SwitchError};

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
        "lgsp simulate national --scene buoi-sang.txt --tls",
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
