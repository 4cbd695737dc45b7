// What of a record people see, and what of it is searched.
#pragma once

#include <string>
#include <vector>

#include "history/record.h"
#include "store/blob_store.h"
#include "store/search_index.h"

namespace kith::app {

// Texts are UTF-8.
struct Shown {
    std::string from, to, subject, body;
    std::string msgid;  // messages only: the service's
    struct Attachment {
        std::string name, type;
        std::uint64_t size = 0;
        std::uint64_t offset = 0;  // messages only: in the content
        bool here = true;          // all of it has arrived
    };
    std::vector<Attachment> attachments;
    bool is_mail = false;
    bool is_html = false;  // the body is
};

// From as much of it as is here; of a body at most limits::search_text. Fault::refused for what is no
// message, and for a mail over limits::shown_content.
Result<Shown> shown(const history::Record& record, const store::BlobStore& blobs);

// The text that is searched: at most limits::search_text of the body, the words alone when it is HTML. Of
// blobs only those are read that hold text. `whole` false: such a blob has not arrived yet.
struct Searched {
    store::SearchText text;
    bool whole = true;
};
// Nothing: there is no text for people in it.
std::optional<Searched> searched(const history::Record& record, const store::BlobStore& blobs);

}  // namespace kith::app
