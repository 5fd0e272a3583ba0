//! Lists of X-Road: clients in JSON and XML, services of REST.

#![no_main]

use lgsp_wire::xroad::{
    read_clients, read_rest_services, write_clients_json, write_clients_xml, write_rest_services,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(clients) = read_clients(data) {
        let again = read_clients(&write_clients_json(&clients));
        assert_eq!(again.expect("what was read can be written"), clients);
        // Names in JSON may have characters that XML cannot carry; who it is comes through.
        let again = read_clients(&write_clients_xml(&clients)).expect("a list");
        assert!(again.iter().map(|entry| &entry.id).eq(clients.iter().map(|entry| &entry.id)));
    }
    if let Ok(services) = read_rest_services(data) {
        let again = read_rest_services(&write_rest_services(&services));
        assert_eq!(again.expect("what was read can be written"), services);
    }
});
