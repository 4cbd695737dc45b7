// view_mail: what of a mail can be shown.
#include <algorithm>
#include <cctype>

#include "base/limits.h"
#include "history/mail.h"
#include "history/mime_text.h"

namespace kith::history {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (auto& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
    return text;
}

// The value before the first ';', lower case.
std::string main_value(std::string_view field) {
    return lower(trim(field.substr(0, field.find(';'))));
}

// A parameter such as charset= or boundary=, quotes taken off.
std::string parameter(std::string_view field, std::string_view name) {
    auto at = field.find(';');
    while (at != std::string_view::npos) {
        auto rest = trim(field.substr(at + 1));
        auto equals = rest.find('=');
        if (equals == std::string_view::npos) break;
        bool wanted = lower(trim(rest.substr(0, equals))) == name;
        auto value = trim(rest.substr(equals + 1));
        std::string_view taken;
        if (value.starts_with('"')) {
            auto end = value.find('"', 1);
            taken = value.substr(1, end == std::string_view::npos ? end : end - 1);
            auto consumed = end == std::string_view::npos ? value.size() : end + 1;
            at = value.find(';', consumed);
        } else {
            at = value.find(';');
            taken = trim(value.substr(0, at));
        }
        if (wanted) return std::string(taken);
        field = value;
    }
    return {};
}

struct Viewer {
    MailView view;
    bool has_text = false, has_plain = false;
    std::size_t parts = 0;
    std::optional<std::size_t> wanted;  // the attachment whose bytes are kept
    Bytes kept;

    void part(ByteView bytes, std::size_t depth) {
        if (++parts > limits::mime_parts) return;
        auto header_end = mail_header_size(bytes);
        auto header = bytes.first(header_end), body = bytes.subspan(header_end);
        auto content_type = mail_field(header, "content-type");
        auto type = main_value(content_type);
        if (type.empty()) type = "text/plain";
        if (type.starts_with("multipart/") && depth < limits::mime_depth) {
            auto boundary = parameter(content_type, "boundary");
            if (!boundary.empty()) return multipart(as_text(body), boundary, depth);
        }
        auto disposition = mail_field(header, "content-disposition");
        auto name = parameter(disposition, "filename");
        if (name.empty()) name = parameter(content_type, "name");
        auto encoding = main_value(mail_field(header, "content-transfer-encoding"));
        auto decode = [&](std::string_view text) {
            if (encoding == "base64") return decode_base64(text);
            if (encoding == "quoted-printable") return decode_quoted_printable(text);
            return to_bytes(text);
        };
        bool attached =
            main_value(disposition) == "attachment" || !name.empty() || !type.starts_with("text/");
        if (!attached) {
            const bool plain = type == "text/plain";
            if (has_plain || (has_text && !plain)) return;
            auto text = as_text(body.first(std::min(body.size(), limits::shown_text)));
            view.text = to_utf8(decode(text), parameter(content_type, "charset"));
            view.is_html = type == "text/html";
            has_text = true;
            has_plain = plain;
            return;
        }
        auto decoded = decode(as_text(body));
        view.attachments.push_back({readable_field(name), type, decoded.size()});
        if (wanted == view.attachments.size() - 1) kept = std::move(decoded);
    }

    void multipart(std::string_view body, std::string_view boundary, std::size_t depth) {
        std::string delimiter = "--" + std::string(boundary);
        std::size_t start = std::string_view::npos, at = 0;
        while (at < body.size() && parts <= limits::mime_parts) {
            auto found = body.substr(at).starts_with(delimiter) ? at : body.find("\n" + delimiter, at);
            if (found == std::string_view::npos) break;
            if (body[found] == '\n') ++found;
            if (start != std::string_view::npos) part(as_bytes(body.substr(start, found - start)), depth + 1);
            auto line_end = body.find('\n', found);
            start = line_end == std::string_view::npos ? body.size() : line_end + 1;
            if (body.substr(found + delimiter.size()).starts_with("--")) return;
            at = start > 0 ? start - 1 : 0;  // the newline may begin the next delimiter
        }
        if (start != std::string_view::npos && start < body.size())
            part(as_bytes(body.substr(start)), depth + 1);
    }
};

}  // namespace

MailView view_mail(ByteView mail) {
    Viewer viewer;
    viewer.part(mail, 0);
    return std::move(viewer.view);
}

Bytes mail_attachment(ByteView mail, std::size_t number) {
    Viewer viewer;
    viewer.wanted = number;
    viewer.part(mail, 0);
    return std::move(viewer.kept);
}

}  // namespace kith::history
