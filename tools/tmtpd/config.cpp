#include "config.h"

#include <charconv>
#include <set>

#include "store/file.h"

namespace kith::tmtpd {
namespace {

constexpr std::uint64_t largest_config = 1 << 20;

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// A number of bytes; K, M, G and T stand for 1024 of each other.
std::optional<std::uint64_t> bytes_of(std::string_view text) {
    constexpr std::string_view units = "KMGT";
    int power = 0;
    if (!text.empty()) {
        if (auto unit = units.find(text.back()); unit != std::string_view::npos) {
            power = static_cast<int>(unit) + 1;
            text.remove_suffix(1);
        }
    }
    auto value = number(text);
    if (!value || *value >> (63 - 10 * power) != 0) return std::nullopt;
    return *value << (10 * power);
}

Result<> wrong(std::string_view why) {
    return fail(Fault::invalid, std::string(why));
}

Result<> set_text(std::string& to, const std::string& value) {
    if (value.empty()) return wrong("must not be empty");
    to = value;
    return {};
}

Result<> set_number(std::uint64_t& to, const std::string& value, std::uint64_t least, std::uint64_t most) {
    auto found = number(value);
    if (!found || *found < least || *found > most)
        return wrong("must be a number from " + std::to_string(least) + " to " + std::to_string(most));
    to = *found;
    return {};
}

// HOST:PORT, the host in brackets when it holds colons.
Result<> set_listen(Config& config, const std::string& value) {
    std::string_view text = value;
    const auto colon = text.rfind(':');
    auto host = text.substr(0, colon == std::string_view::npos ? 0 : colon);
    auto port = number(colon == std::string_view::npos ? "" : text.substr(colon + 1));
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.empty() || !port || *port > 65535) return wrong("is not HOST:PORT, as in 127.0.0.1:4200");
    config.host = host;
    config.port = static_cast<std::uint16_t>(*port);
    return {};
}

Result<> set_name(Config& config, const std::string& value) {
    // A certificate of our own bears it, cut to what that takes.
    if (value.empty() || value.size() > 200) return wrong("must have 1 to 200 bytes");
    config.name = value;
    return {};
}

Result<> set_flag(bool& to, const std::string& value) {
    if (value != "yes" && value != "no") return wrong("must be yes or no");
    to = value == "yes";
    return {};
}

Result<> set_disk(Config& config, const std::string& value) {
    auto bytes = bytes_of(value);
    constexpr std::uint64_t least = 16 << 20;
    if (!bytes || (*bytes != 0 && *bytes < least))
        return wrong("must be a size of 16M or more, as in 20G, or 0 for no limit");
    config.disk = *bytes;
    return {};
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r";
    const auto from = text.find_first_not_of(blanks);
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

}  // namespace

const std::vector<Setting>& settings() {
    static const std::vector<Setting> all{
        {"dir", "DIR", "the folder that holds the service: database, keys, certificate",
         [](Config& c, const std::string& v) { return set_text(c.dir, v); }},
        {"listen", "HOST:PORT", "where to listen; port 0: any that is free [127.0.0.1:0]", set_listen},
        {"name", "NAME", "the site's name, which every client is told", set_name},
        {"certificate", "FILE",
         "TLS certificate with its chain, PEM; looked at every 10 s and loaded anew when it changed"
         " [self-signed, made at the first start]",
         [](Config& c, const std::string& v) { return set_text(c.certificate, v); }},
        {"certificate-key", "FILE", "its private key, PEM",
         [](Config& c, const std::string& v) { return set_text(c.certificate_key, v); }},
        {"client-authorities", "FILE",
         "let in only clients with a certificate that one of these authorities has signed, PEM [everybody]",
         [](Config& c, const std::string& v) { return set_text(c.client_authorities, v); }},
        {"must-have-met", "yes|no",
         "refuse posts between accounts when neither has pinged or invited the other and they share no group "
         "[no]",
         [](Config& c, const std::string& v) { return set_flag(c.must_have_met, v); }},
        {"node-control", "yes|no",
         "let accounts have a roster, by which their owners say which nodes they have [yes]",
         [](Config& c, const std::string& v) { return set_flag(c.node_control, v); }},
        {"accounts", "N", "how many accounts there may be; 0: nobody can register [100000]",
         [](Config& c, const std::string& v) { return set_number(c.accounts, v, 0, 1'000'000'000); }},
        {"links", "N", "how many connections there may be at once; each may take 1 MiB of memory [2000]",
         [](Config& c, const std::string& v) { return set_number(c.links, v, 1, 100'000); }},
        {"disk", "SIZE", "how large the database may grow, as 20G; 0: as the disk allows [0]", set_disk},
        {"sign-in-issuer", "URL",
         "let only those register who sign in at this OpenID Connect provider, as it names itself in its "
         "tokens "
         "[everybody]",
         [](Config& c, const std::string& v) { return set_text(c.sign_in.issuer, v); }},
        {"sign-in-client", "ID", "this service's client id there",
         [](Config& c, const std::string& v) { return set_text(c.sign_in.client, v); }},
        {"sign-in-keys", "FILE|URL", "the provider's keys: a file, or the https address of its JWKS",
         [](Config& c, const std::string& v) { return set_text(c.sign_in.keys, v); }},
        {"sign-in-label", "TEXT", "what people see of the provider [the issuer]",
         [](Config& c, const std::string& v) { return set_text(c.sign_in.label, v); }},
        {"sign-in-login", "URL", "the provider's authorization address",
         [](Config& c, const std::string& v) { return set_text(c.sign_in.login, v); }},
        {"sign-in-login-parameters", "QUERY", "what belongs behind it: client_id=ID&scope=openid",
         [](Config& c, const std::string& v) { return set_text(c.sign_in.login_parameters, v); }},
        {"sign-in-token", "URL", "the provider's token address",
         [](Config& c, const std::string& v) { return set_text(c.sign_in.token, v); }},
        {"sign-in-token-parameters", "QUERY", "what is posted to it besides: client_id=ID",
         [](Config& c, const std::string& v) { return set_text(c.sign_in.token_parameters, v); }},
    };
    return all;
}

Result<> read_config(std::string_view text, const std::string& name, Config& config) {
    std::set<std::string_view> seen;
    for (std::size_t line = 1; !text.empty(); ++line) {
        const auto end = text.find('\n');
        const auto row = trimmed(text.substr(0, end));
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (row.empty() || row.starts_with('#')) continue;
        auto bad = [&](const std::string& why) {
            return fail(Fault::invalid, name + ", line " + std::to_string(line) + ": " + why,
                        "tmtpd --help lists all settings");
        };
        const auto equals = row.find('=');
        if (equals == std::string_view::npos) return bad("there is no '=': write `key = value`");
        const auto key = trimmed(row.substr(0, equals));
        const Setting* setting = nullptr;
        for (const auto& one : settings())
            if (one.key == key) setting = &one;
        if (!setting) return bad("there is no setting '" + std::string(key) + "'");
        if (!seen.insert(setting->key).second) return bad("'" + std::string(key) + "' comes twice");
        if (auto done = setting->set(config, std::string(trimmed(row.substr(equals + 1)))); !done)
            return bad("'" + std::string(key) + "' " + done.error().what);
    }
    return {};
}

Result<> read_config_file(const std::string& path, Config& config) {
    auto file = store::File::open(path, store::File::Mode::read);
    if (!file)
        return fail(file.error().kind, "the settings cannot be read: " + file.error().what,
                    "check --config: a file that this user may read");
    KITH_TRY_VALUE(bytes, file->size());
    if (bytes > largest_config)
        return fail(Fault::invalid, path + " is too large for a configuration",
                    "check --config: a file of `key = value` lines");
    Bytes text(static_cast<std::size_t>(bytes));
    KITH_TRY(file->read_at(0, text));
    return read_config(as_text(text), path, config);
}

Result<> check_config(const Config& config) {
    if (config.dir.empty()) return fail(Fault::invalid, "no folder is given", "say --dir DIR");
    if (config.name.empty()) return fail(Fault::invalid, "the site has no name", "say --name NAME");
    if (config.certificate.empty() != config.certificate_key.empty())
        return fail(Fault::invalid, "certificate and certificate-key belong together",
                    "give both, or neither");
    const auto& sign_in = config.sign_in;
    if (sign_in.issuer.empty() && !(sign_in.client + sign_in.keys + sign_in.login + sign_in.token).empty())
        return fail(Fault::invalid, "a sign-in is described, but not whose", "say --sign-in-issuer URL");
    return {};
}

}  // namespace kith::tmtpd
