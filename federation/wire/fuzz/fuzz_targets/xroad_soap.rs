//! SOAP of X-Road: an envelope in any octets.

#![no_main]

use lgsp_wire::xroad::{SoapBody, SoapMessage, read_soap_services, write_soap_services};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(message) = SoapMessage::read(data) else { return };
    match &message.body {
        SoapBody::Fault(fault) => {
            let again = SoapMessage::write_fault(message.header.as_ref(), fault);
            let again = SoapMessage::read(&again).expect("what was read can be written");
            assert_eq!(again, message);
        }
        SoapBody::Content(content) => {
            let header = message.header.as_ref().expect("a call has a header");
            let again = SoapMessage::write(header, "<x/>").expect("what was read can be written");
            let again = SoapMessage::read(&again).expect("what was written can be read");
            assert_eq!(again.header, message.header);
            assert!(content.span().end <= data.len());
            if let Ok(services) = read_soap_services(content) {
                let list = write_soap_services("listMethods", &services).expect("a method");
                let list = SoapMessage::write(header, &list).expect("a list");
                let SoapBody::Content(list) = SoapMessage::read(&list).expect("a list").body else {
                    panic!("a list is no fault");
                };
                assert_eq!(read_soap_services(&list).expect("the same list"), services);
            }
        }
    }
});
