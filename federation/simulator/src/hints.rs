//! What to type next, in Vietnamese and English. Secrets stand here because they are for practice and made from the seed.

use crate::settings::Settings;

/// The text for whoever has just started the simulator.
pub(crate) fn next_steps(base: &str, settings: &Settings) -> String {
    let systems: Vec<_> = settings
        .systems
        .iter()
        .map(|system| {
            let code = system.code.as_str();
            format!("    {code}  {}", settings.secret_of(code).expose())
        })
        .collect();
    let systems = systems.join("\n");
    let (client, secret) = settings.gateway_client();
    let secret = secret.expose().to_owned();
    let (user, key, bound_to) = settings.population_user();
    let population = format!("{user}  {}  {bound_to}", key.expose());
    let (user, password) = settings.adapter_user();
    let adapter = format!("{user}  {}", password.expose());
    let provided = settings.provided.iter().map(|provided| format!("    {provided}\n"));
    let provided = provided.collect::<String>();
    let provided = match provided.is_empty() {
        true => provided,
        false => format!(
            "Dịch vụ của bạn, người khác gọi qua X-Road tại <mã của bạn>/lgsp / Your services, called through X-Road at <your code>/lgsp:\n{provided}"
        ),
    };
    format!(
        "Mô phỏng phía quốc gia đang chạy / The simulated national side is running: {base}\n\
         \n\
         Hệ thống của bạn và khoá bí mật (chỉ để thử) / Your systems and their secrets (for practice only):\n\
         {systems}\n\
         \n\
         Nó là gì, có những lời gọi và lỗi nào / What it is, which calls and faults there are:\n\
         \x20   curl {base}/_sim/\n\
         Nhật ký mọi lời gọi và văn bản / The ledger of every call and document:\n\
         \x20   curl {base}/_sim/ledger\n\
         Bật một lỗi, rồi tắt / Turn a fault on, and off:\n\
         \x20   curl -d 'vxp.sendEdoc=lost-answer:0.1' {base}/_sim/faults\n\
         \x20   curl -d 'vxp.sendEdoc=lost-answer:0' {base}/_sim/faults\n\
         Cho đồng hồ chạy nhanh một giờ / Move the clock an hour ahead:\n\
         \x20   curl -d 'forward 1 h' {base}/_sim/clock\n\
         Lấy token của cổng OAuth2 / A token of the OAuth2 gateway:\n\
         \x20   curl -u '{client}:{secret}' -d 'grant_type=client_credentials' {base}/token\n\
         Dịch vụ dân cư: người dùng, khoá, địa chỉ được ký / The population service: user, secret, the address that is signed:\n\
         \x20   {population}\n\
         Bộ nối XrdAdapter: người dùng, mật khẩu / The adapter XrdAdapter: user, password:\n\
         \x20   {adapter}\n\
         Gọi một dịch vụ qua X-Road, và xem ai ở đó / Call a service through X-Road, and see who is there:\n\
         \x20   curl -H 'X-Road-Client: VN/GOV/000.00.00.H41/lgsp' {base}/r1/VN/GOV/000.00.00.G22/vpcpdvcprovider/echo\n\
         \x20   curl {base}/listClients\n\
         {provided}"
    )
}
