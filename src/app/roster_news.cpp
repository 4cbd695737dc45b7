#include "app/roster_news.h"

#include "app/trust_limits.h"
#include "crypto/box.h"
#include "crypto/hash.h"

namespace kith::app {
namespace {

// Other clients show it as a message: it has to say what it is.
constexpr std::string_view inner_head =
    R"({"Alias":"kith","KithRoster":1,"Subject":"kith: news for your own devices","ThreadId":""})";
constexpr std::string_view purpose = "kith.roster.news";
constexpr std::uint8_t version = 1;
constexpr std::size_t box_size = Key::size() + crypto::box_overhead;

std::size_t packed_size(const roster::Entry& entry) {
    return 4 + entry.bytes.size() + Signature::size;
}

tmtp::Asking make_part(std::span<const roster::Entry> entries, std::span<const LinkPublic> readers,
                       const std::string& own_uid, Random& random) {
    const Key key = crypto::random_secret(random);
    Bytes data = to_bytes(inner_head);
    data.push_back(version);
    data.push_back(static_cast<std::uint8_t>(readers.size()));
    for (const auto& reader : readers) append(data, crypto::seal_to(reader, key.view()));
    append(data, crypto::seal(key, purpose, roster::pack_entries(entries), random));
    tmtp::Post post;
    post.recipients = {{own_uid, tmtp::Recipient::uid}};
    post.datahead = inner_head.size();
    return {std::move(post), std::move(data)};
}

}  // namespace

Result<std::vector<tmtp::Asking>> make_roster_news(std::span<const roster::Entry> entries,
                                                   std::span<const LinkPublic> readers,
                                                   const std::string& own_uid, Random& random) {
    if (readers.size() > limits::news_readers) return fail(Fault::invalid, "too many devices");
    std::vector<tmtp::Asking> posts;
    while (!entries.empty()) {
        std::size_t count = 0;
        for (std::size_t size = 0; count < entries.size(); ++count) {
            size += packed_size(entries[count]);
            if (count > 0 && size > limits::news_bytes) break;
        }
        posts.push_back(make_part(entries.first(count), readers, own_uid, random));
        entries = entries.subspan(count);
    }
    return posts;
}

bool is_roster_news(ByteView data, std::uint64_t datahead) {
    if (datahead > limits::news_head || datahead > data.size()) return false;
    auto head = tmtp::Head::parse(as_text(data.first(static_cast<std::size_t>(datahead))));
    return head && head->number("kithroster").value_or(0) == 1;
}

std::optional<std::vector<roster::Entry>> open_roster_news(ByteView data, std::uint64_t datahead,
                                                           const crypto::LinkKey& own) {
    if (!is_roster_news(data, datahead)) return std::nullopt;
    auto rest = data.subspan(static_cast<std::size_t>(datahead));
    if (rest.size() < 2 || rest[0] != version) return std::nullopt;
    const std::size_t readers = rest[1];
    rest = rest.subspan(2);
    if (readers > limits::news_readers || rest.size() < readers * box_size) return std::nullopt;
    for (std::size_t i = 0; i < readers; ++i) {
        auto key = crypto::open_box(own, rest.subspan(i * box_size, box_size));
        if (!key || key->size() != Key::size()) continue;
        auto packed = crypto::open(Key(key->view().first<32>()), purpose, rest.subspan(readers * box_size));
        if (!packed) continue;
        auto entries = roster::unpack_entries(packed->view());
        if (entries) return std::move(*entries);
    }
    return std::nullopt;
}

}  // namespace kith::app
