// The content of a record, read from its row and its blobs as if it were one run of bytes, piece by piece:
// how large it is does not matter.
#pragma once

#include <vector>

#include "history/record.h"
#include "history/sync.h"
#include "store/blob_store.h"

namespace kith::app {

class Content {
  public:
    // Both must outlive it.
    Content(const history::Record& record, const store::BlobStore& blobs) : record_(record), blobs_(blobs) {}

    std::uint64_t size() const { return record_.content_size(); }
    // Exactly these bytes. Fault::unavailable when a part of them has not arrived; corrupt beyond the end.
    Result<Bytes> read(std::uint64_t offset, std::uint64_t size) const;
    // The bytes from the start, at most `size`, up to the first that is not here.
    Result<Bytes> beginning(std::uint64_t size) const;

    // Blobs that are not here in full, in their order.
    struct Gap {
        history::BlobWant blob;
        std::uint64_t offset = 0;  // in the content
    };
    Result<std::vector<Gap>> gaps() const;

  private:
    Result<> append_blob(Bytes& to, const history::Part& part, std::uint64_t from, std::uint64_t size) const;

    const history::Record& record_;
    const store::BlobStore& blobs_;
};

}  // namespace kith::app
