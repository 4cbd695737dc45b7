#include "tmtp/ops.h"

#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "tmtp/frame.h"
#include "tmtp/json_text.h"

namespace kith::tmtp {
namespace {

using Json = nlohmann::json;

enum Code {
    tmtprev,
    reg,
    login,
    useredit,
    ohiedit,
    groupinvite,
    groupedit,
    post,
    postnotify,
    ping,
    ack,
    pulse,
    quit,
    roster,
    restore
};

// Reads one op's fields, and remembers whether all was as it must be.
struct Reader {
    const Head& head;
    bool fits = true;

    std::string optional(std::string_view key) { return head.text(key).value_or(std::string()); }
    std::string required(std::string_view key) {
        auto value = optional(key);
        if (value.empty()) fits = false;
        return value;
    }
    std::uint64_t size(std::string_view key) {
        auto value = head.number(key).value_or(0);
        if (value < 0) fits = false;
        return value < 0 ? 0 : static_cast<std::uint64_t>(value);
    }
    std::optional<std::uint32_t> sum(std::string_view key) {
        auto value = head.number(key);
        if (!value) return std::nullopt;
        if (*value < 0 || *value > 0xffffffff) fits = false;
        return static_cast<std::uint32_t>(*value);
    }
    std::vector<Recipient> recipients(std::string_view key, bool required, bool typed) {
        std::vector<Recipient> list;
        auto items = head.objects(key, limits::tmtp_recipients * 2);
        if (!items) {
            if (required) fits = false;
            return list;
        }
        for (const auto& item : *items) {
            Recipient one{item.text("id").value_or(""),
                          static_cast<int>(item.number("type").value_or(0) & 0xff)};
            if (!item.ok() || one.id.empty()) fits = false;
            if (typed && (one.type < Recipient::uid || one.type > Recipient::group)) fits = false;
            list.push_back(std::move(one));
        }
        return list;
    }
    // Of what a provider's token address has answered: an object.
    std::string id_token() {
        auto answer = head.object("oidc");
        if (!answer) return {};
        auto token = answer->text("id_token").value_or(std::string());
        if (!answer->ok() || token.empty()) fits = false;
        return token;
    }
    Bytes hex(std::string_view key) {
        auto text = head.text(key);
        if (!text) return {};
        auto bytes = from_hex(*text);
        if (!bytes || bytes->empty()) fits = false;
        return bytes.value_or(Bytes());
    }
    void must(bool condition) { fits = fits && condition; }
};

Post read_post(Reader& in) {
    Post op;
    op.id = in.required("id");
    op.recipients = in.recipients("for", true, true);
    op.datalen = in.size("datalen");
    op.datahead = in.size("datahead");
    op.datasum = in.sum("datasum");
    return op;
}

Op read(std::int64_t code, Reader& in) {
    switch (code) {
        case tmtprev:
            return TmtpRev{in.required("id")};
        case reg:
            return Register{in.required("newnode"), in.required("newalias"), in.id_token(), in.hex("roster")};
        case login: {
            auto uid = in.required("uid");
            return Login{std::move(uid), SecretBytes(as_bytes(in.required("node"))),
                         in.head.number("control").value_or(0) == 1};
        }
        case useredit: {
            UserEdit op{in.required("id"), in.optional("newnode"), in.optional("newalias")};
            in.must(op.newnode.empty() != op.newalias.empty());
            return op;
        }
        case ohiedit: {
            OhiEdit op{in.required("id"), in.required("type"), in.recipients("for", true, false)};
            in.must(op.type == "add" || op.type == "drop" || op.type == "init");
            return op;
        }
        case groupinvite:
            return GroupInvite{in.required("id"), in.required("gid"), in.required("from"), in.required("to"),
                               in.size("datalen")};
        case groupedit: {
            GroupEdit op{in.required("id"), in.required("act"), in.required("gid"), in.optional("newalias"),
                         in.optional("to")};
            in.must(op.act == "join" || (op.act == "alias" && !op.newalias.empty()) ||
                    (op.act == "drop" && !op.to.empty()));
            return op;
        }
        case post: {
            Post op = read_post(in);
            in.must(op.datalen > 0 && op.datahead <= op.datalen && !in.head.has("notelen"));
            return op;
        }
        case postnotify: {
            PostNotify op{read_post(in),
                          in.head.flag("fornotself").value_or(false),
                          in.recipients("notefor", false, true),
                          in.size("notelen"),
                          in.size("notehead"),
                          in.sum("notesum")};
            in.must(op.notelen > 0 && op.notehead <= op.notelen && op.notelen <= op.post.datalen &&
                    op.post.datahead <= op.post.datalen - op.notelen);
            return op;
        }
        case ping:
            return Ping{in.required("id"), in.required("from"), in.required("to"), in.size("datalen")};
        case ack:
            return Ack{in.required("id"), in.required("type")};
        case pulse:
            return Pulse{};
        case quit:
            return Quit{};
        case roster: {
            Roster op{in.required("id"), in.required("act"), in.size("datalen")};
            const bool brings = op.act == "add" || op.act == "bind";
            in.must(brings ? op.datalen > 0 : op.datalen == 0 && (op.act == "show" || op.act == "object"));
            return op;
        }
        case restore:
            return Restore{in.required("id"), in.required("uid"), in.hex("proof")};
        default:
            in.fits = false;
            return Pulse{};
    }
}

bool takes_data(const Op& op) {
    return std::holds_alternative<Post>(op) || std::holds_alternative<PostNotify>(op) ||
           std::holds_alternative<Ping>(op) || std::holds_alternative<GroupInvite>(op) ||
           std::holds_alternative<Roster>(op);
}

Json list(const std::vector<Recipient>& recipients) {
    Json items = Json::array();
    for (const auto& one : recipients) {
        Json item{{"id", one.id}};
        if (one.type != Recipient::none) item["type"] = one.type;
        items.push_back(std::move(item));
    }
    return items;
}

Json to_json(const TmtpRev& op) {
    return {{"op", tmtprev}, {"id", op.id}};
}
Json to_json(const Register& op) {
    Json json{{"op", reg}, {"newnode", op.newnode}, {"newalias", op.newalias}};
    if (!op.id_token.empty()) json["oidc"] = {{"id_token", op.id_token}};
    if (!op.roster.empty()) json["roster"] = to_hex(op.roster);
    return json;
}
Json to_json(const Login& op) {
    Json json{{"op", login}, {"uid", op.uid}, {"node", as_text(op.node.view())}};
    if (op.control) json["control"] = 1;
    return json;
}
Json to_json(const UserEdit& op) {
    Json json{{"op", useredit}, {"id", op.id}};
    put(json, "newnode", op.newnode);
    put(json, "newalias", op.newalias);
    return json;
}
Json to_json(const OhiEdit& op) {
    return {{"op", ohiedit}, {"id", op.id}, {"type", op.type}, {"for", list(op.recipients)}};
}
Json to_json(const GroupInvite& op) {
    Json json{{"op", groupinvite}, {"id", op.id}, {"gid", op.gid}, {"from", op.from}, {"to", op.to}};
    put(json, "datalen", op.datalen);
    return json;
}
Json to_json(const GroupEdit& op) {
    Json json{{"op", groupedit}, {"id", op.id}, {"act", op.act}, {"gid", op.gid}};
    put(json, "newalias", op.newalias);
    put(json, "to", op.to);
    return json;
}
Json to_json(const Post& op) {
    Json json{{"op", post}, {"id", op.id}, {"for", list(op.recipients)}, {"datalen", op.datalen}};
    put(json, "datahead", op.datahead);
    put(json, "datasum", op.datasum);
    return json;
}
Json to_json(const PostNotify& op) {
    Json json = to_json(op.post);
    json["op"] = static_cast<int>(postnotify);
    if (op.fornotself) json["fornotself"] = true;
    json["notefor"] = list(op.notefor);
    put(json, "notelen", op.notelen);
    put(json, "notehead", op.notehead);
    put(json, "notesum", op.notesum);
    return json;
}
Json to_json(const Ping& op) {
    Json json{{"op", ping}, {"id", op.id}, {"from", op.from}, {"to", op.to}};
    put(json, "datalen", op.datalen);
    return json;
}
Json to_json(const Ack& op) {
    return {{"op", ack}, {"id", op.id}, {"type", op.type}};
}
Json to_json(const Pulse&) {
    return {{"op", pulse}};
}
Json to_json(const Quit&) {
    return {{"op", quit}};
}
Json to_json(const Roster& op) {
    Json json{{"op", roster}, {"id", op.id}, {"act", op.act}};
    put(json, "datalen", op.datalen);
    return json;
}

Json to_json(const Restore& op) {
    Json json{{"op", restore}, {"id", op.id}, {"uid", op.uid}};
    if (!op.proof.empty()) json["proof"] = to_hex(op.proof);
    return json;
}

}  // namespace

Bytes restore_challenge(ByteView nonce, ByteView service_key, std::string_view uid) {
    Bytes bytes = to_bytes("kith.account.restore");
    bytes.push_back(0);
    append(bytes, nonce);
    append(bytes, service_key);
    append(bytes, uid);
    return bytes;
}

Result<Op> parse_op(const Head& head) {
    auto code = head.number("op");
    Reader in{head};
    Op op = read(code.value_or(-1), in);
    if (!code || !in.fits || !head.ok() || (!takes_data(op) && head.has("datalen")))
        return fail(Fault::protocol, "invalid header");
    return op;
}

Result<std::string> encode(const Op& op) {
    auto text = json_text(std::visit([](const auto& one) { return to_json(one); }, op));
    if (text.size() > max_header)
        return fail(Fault::invalid, "the request is too long for its header", "name fewer recipients");
    return with_length(text);
}

bool complete(Asking& asking, const std::string& id) {
    const auto size = asking.data.size();
    auto set = [&](auto& one) {
        one.id = id;
        if constexpr (requires { one.datalen; })
            one.datalen = size;
        else if (size > 0)
            return false;
        return true;
    };
    if (auto* one = std::get_if<Post>(&asking.op)) return set(*one);
    if (auto* one = std::get_if<PostNotify>(&asking.op)) return set(one->post);
    if (auto* one = std::get_if<Ping>(&asking.op)) return set(*one);
    if (auto* one = std::get_if<GroupInvite>(&asking.op)) return set(*one);
    if (auto* one = std::get_if<GroupEdit>(&asking.op)) return set(*one);
    if (auto* one = std::get_if<OhiEdit>(&asking.op)) return set(*one);
    if (auto* one = std::get_if<UserEdit>(&asking.op)) return set(*one);
    if (auto* one = std::get_if<Roster>(&asking.op)) return set(*one);
    return false;
}

std::uint64_t data_size(const Op& op) {
    if (auto* one = std::get_if<Post>(&op)) return one->datalen;
    if (auto* one = std::get_if<PostNotify>(&op)) return one->post.datalen;
    if (auto* one = std::get_if<Ping>(&op)) return one->datalen;
    if (auto* one = std::get_if<GroupInvite>(&op)) return one->datalen;
    if (auto* one = std::get_if<Roster>(&op)) return one->datalen;
    return 0;
}

}  // namespace kith::tmtp
