// The files of data-plane/inspector/web, compiled in. Constant.
#pragma once

#include <string_view>

namespace apk::inspector {

struct WebFile {
  std::string_view path;  // "/app.js"
  std::string_view content_type;
  std::string_view content;
};

// Null when there is no such file.
const WebFile* FindWebFile(std::string_view path);

}  // namespace apk::inspector
