// The words of an HTML mail, for what cannot show HTML. Not a parser: it takes any bytes, in linear time.
#pragma once

#include <string>
#include <string_view>

namespace kith::history {

// UTF-8 in, UTF-8 out: tags, comments, scripts and styles left out, the usual entities decoded, every tag
// that is not within a line replaced by a line end.
std::string html_text(std::string_view html);

}  // namespace kith::history
