// What a frame of records, or of a blob's piece, brings: unpacked, decoded, hashed. That is most of the work
// of receiving, and it needs nothing but the frame: so it may be done on any thread before the machine on the
// loop takes the result (Transfer::on_arrival).
#pragma once

#include <any>
#include <string_view>
#include <variant>
#include <vector>

#include "crypto/hash.h"
#include "history/range.h"

namespace kith::wire {
class Fields;
}

namespace kith::history {

// A record that arrived: checked, decoded, not stored yet.
struct Arrived {
    StoredRecord stored;
    Record record;      // of one that is absent: nothing
    std::any prepared;  // what the vault would else make of the record on the loop; its own business
};

// A blob's piece with its hash, which was computed here.
class Piece {
  public:
    Piece() : Piece(Bytes()) {}
    Piece(Bytes bytes) : bytes_(std::move(bytes)), hash_(crypto::hash(bytes_)) {}
    Piece(ByteView bytes) : Piece(to_bytes(bytes)) {}
    ByteView view() const { return bytes_; }
    std::size_t size() const { return bytes_.size(); }
    const crypto::Hash& hash() const { return hash_; }

  private:
    Bytes bytes_;
    crypto::Hash hash_;
};

struct BatchArrival {
    std::uint64_t stream = 0;
    std::vector<Arrived> records;
    bool end = false;  // of the stream
};

struct PieceArrival {
    BlobId blob;
    std::uint64_t index = 0;
    bool here = false;  // the peer has it
    Piece piece;
};

using Arrival = std::variant<BatchArrival, PieceArrival>;

// Of the frames with these ops: `sync.batch`, `sync.piece`.
bool is_arrival(std::string_view op);
Result<Arrival> read_arrival(std::string_view op, wire::Fields& head, Bytes body, Packer& packer);

}  // namespace kith::history
