// The tables of filled forms in the reference client's store, and the attachment that each row once was.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace kith::mnm {

class FormTable {
  public:
    // Takes what can be read; rows that cannot are missing.
    explicit FormTable(std::string text);

    // The attachment `name` of message `msgid` as it was delivered; nothing when it is not here or its
    // checksum is another.
    std::optional<std::string> filled(const std::string& msgid, const std::string& name) const;

  private:
    void add(std::size_t begin, std::size_t end);
    std::string text_;
    std::map<std::pair<std::string, std::string>, std::pair<std::size_t, std::size_t>> rows_;
};

}  // namespace kith::mnm
