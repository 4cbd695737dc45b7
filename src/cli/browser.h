// The person's browser.
#pragma once

#include <string>

namespace kith::cli {

// Opens an address in it. False when there is no screen to show it on, or no program that does it.
bool open_browser(const std::string& url);

}  // namespace kith::cli
