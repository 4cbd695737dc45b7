// The two libraries that find codes, behind one shape. Apart from each other, for ZXing's headers define
// macros that break zbar's. Of use to this layer's sources alone.
#pragma once

#include <string>
#include <vector>

#include "qr/reader.h"

namespace kith::qr {

std::vector<std::string> find_by_zxing(const Picture& picture);
std::vector<std::string> find_by_zbar(const Picture& picture);

}  // namespace kith::qr
