// The core's methods for services and messages.
#include <filesystem>
#include <fstream>

#include "app/core.h"
#include "base/limits.h"

namespace kith::app {

using control::Json;

Json Core::service_json(const ServiceStatus& status) const {
    Json json{{"address", status.account.address}, {"site", status.account.site},
              {"alias", status.account.alias},     {"uid", status.account.uid},
              {"pin", to_hex(status.account.pin)}, {"state", service_state_name(status.state)}};
    if (!status.why.empty()) json["why"] = status.why;
    return json;
}

void Core::service_add(const Request& request) {
    auto fields = request->fields();
    auto address_text = fields.text("address", 300);
    auto alias = fields.text("alias", limits::tmtp_text);
    auto pin_text = fields.has("pin") ? fields.text("pin", 64) : std::string();
    if (auto read = fields.finish("service.add"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    auto address = parse_address(address_text);
    if (!address) return request->fail(address.error());
    auto pin = net::Pin::from_hex(pin_text);
    if (!pin_text.empty() && !pin)
        return request->fail({Fault::invalid, "a pin is 64 hexadecimal digits", ""});
    if (alias.size() < 8)
        return request->fail(
            {Fault::invalid, "an alias has at least 8 characters", "choose a longer --alias"});
    services_->add(*address, alias, pin, [this, request](Result<ServiceStatus> added) {
        if (!added) return request->fail(added.error());
        request->finish(service_json(*added));
        if (peers_) peers_->services_changed();
    });
}

void Core::service_list(const Request& request) {
    Json list = Json::array();
    for (const auto& status : services_->list()) list.push_back(service_json(status));
    request->finish(std::move(list));
}

void Core::service_repin(const Request& request) {
    auto fields = request->fields();
    auto address_text = fields.text("address", 300);
    auto pin_text = fields.has("pin") ? fields.text("pin", 64) : std::string();
    if (auto read = fields.finish("service.repin"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    const auto* account = services_->find(address_text);
    if (!account)
        return request->fail(
            {Fault::not_found, "there is no account at " + address_text, "'kith service list' shows them"});
    auto address = parse_address(account->address);
    if (!address) return request->fail(address.error());
    if (!address->pinned)
        return request->fail(
            {Fault::refused, "an address with + is vouched for by an authority and has no pin", ""});
    if (!pin_text.empty()) {
        auto pin = net::Pin::from_hex(pin_text);
        if (!pin) return request->fail({Fault::invalid, "a pin is 64 hexadecimal digits", ""});
        if (auto done = services_->repin(account->id, *pin); !done) return request->fail(done.error());
        return request->finish({{"address", account->address}, {"pin", pin->hex()}, {"state", "offline"}});
    }
    services_->look(*address, [request, text = account->address,
                               pinned = to_hex(account->pin)](Result<net::Pin> offered) {
        if (!offered) return request->fail(offered.error());
        request->finish({{"address", text}, {"pinned", pinned}, {"offered", offered->hex()}});
    });
}

void Core::message_send(const Request& request) {
    auto fields = request->fields();
    auto service = fields.has("service") ? fields.text("service", 300) : std::string();
    OutgoingPost post;
    post.to = fields.text("to", limits::tmtp_text);
    post.subject = fields.text("subject", limits::tmtp_text);
    post.body = fields.text("body", limits::control_request_bytes);
    auto paths = fields.has("attach") ? fields.texts("attach", limits::tmtp_attachments, 4096)
                                      : std::vector<std::string>();
    if (auto read = fields.finish("message.send"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    const auto* account = services_->find(service);
    if (!account)
        return request->fail(
            service.empty()
                ? Error{Fault::invalid, "it is not clear by which service to send", "name it with --service"}
                : Error{Fault::not_found, "there is no account at " + service,
                        "'kith service list' shows them"});
    std::size_t bytes = post.body.size();
    for (const auto& path : paths) {
        std::error_code error;
        auto size =
            std::filesystem::is_regular_file(path, error) ? std::filesystem::file_size(path, error) : 0;
        std::ifstream file(path, std::ios::binary);
        if (error || !std::filesystem::is_regular_file(path, error) || !file)
            return request->fail(
                {Fault::not_found, "cannot read the file " + path, "check its name and permissions"});
        bytes += size;
        if (bytes > limits::tmtp_post_bytes)
            return request->fail(
                {Fault::invalid,
                 "a message takes at most " + std::to_string(limits::tmtp_post_bytes >> 20) + " MiB",
                 "send less at once"});
        Bytes content(size);
        file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(size));
        content.resize(static_cast<std::size_t>(file.gcount()));
        post.attachments.emplace_back(std::filesystem::path(path).filename().string(), std::move(content));
    }
    services_->send(account->id, post, [request](Result<Services::SendOutcome> outcome) {
        if (!outcome) return request->fail(outcome.error());
        Json result{{"state", outcome->state}};
        if (!outcome->msgid.empty()) result["id"] = outcome->msgid;
        request->finish(std::move(result));
    });
}

}  // namespace kith::app
