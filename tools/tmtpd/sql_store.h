// What a tmtpd keeps, in one SQLite database. Every change is on the disk when it returns. Schema in
// README.md.
#pragma once

#include <filesystem>
#include <map>
#include <memory>

#include "base/secret.h"
#include "store/database.h"
#include "tmtp/server_store.h"

namespace kith::tmtpd {

class SqlStore : public tmtp::ServerStore {
  public:
    // Opens or makes the database. Pieces of uploads that were cut off by the last end are removed.
    static Result<std::unique_ptr<SqlStore>> open(const std::filesystem::path& file, const Key& key);

    Result<std::uint64_t> last_id() override;
    Result<tmtp::NodeRef> add_account(const std::string& uid, const SecretBytes& nodeid,
                                      const std::string& label) override;
    Result<std::optional<tmtp::NodeRef>> find_node(const std::string& uid,
                                                   const SecretBytes& nodeid) override;
    Result<std::vector<tmtp::NodeRef>> nodes(const std::string& uid) override;
    Result<std::optional<std::string>> owner_of(const std::string& alias) override;
    Result<> add_alias(const std::string& uid, const std::string& alias,
                       const tmtp::StoredMessage* news) override;
    Result<> add_node(const std::string& uid, const SecretBytes& nodeid, const std::string& label,
                      tmtp::NodeRef from, const tmtp::StoredMessage& news) override;
    Result<> put_piece(std::uint64_t id, std::uint32_t number, ByteView piece) override;
    void drop_pieces(std::uint64_t id) override;
    Result<std::optional<std::vector<tmtp::Member>>> group(const std::string& gid) override;
    Result<std::uint64_t> groups_of(const std::string& uid) override;
    Result<> put_members(const std::string& gid, const std::vector<tmtp::Member>& members,
                         const std::vector<tmtp::Outgoing>& messages) override;
    Result<> enqueue(const std::vector<tmtp::Outgoing>& messages) override;
    Result<std::optional<tmtp::StoredMessage>> first(tmtp::NodeRef node) override;
    Result<Bytes> piece(std::uint64_t id, std::uint32_t number) override;
    Result<> remove(tmtp::NodeRef node, std::uint64_t id) override;
    Result<std::uint64_t> queue_bytes(const std::string& uid) override;

  private:
    struct Held {
        std::uint32_t number = 0;
        Bytes bytes;
    };
    explicit SqlStore(std::unique_ptr<store::Database> db) : db_(std::move(db)) {}
    Result<std::int64_t> account(const std::string& uid);
    Result<tmtp::NodeRef> insert_node(std::int64_t account, const SecretBytes& nodeid,
                                      const std::string& label);
    Result<> queue(const tmtp::Outgoing& outgoing);
    Result<> write_piece(std::uint64_t id, const Held& held);

    std::unique_ptr<store::Database> db_;
    // The last piece of each upload, written with the message: a small one costs one commit.
    std::map<std::uint64_t, Held> held_;
};

}  // namespace kith::tmtpd
