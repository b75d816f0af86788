// An HTTP/1.1 response as a value. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace apk::inspector {

struct Reply {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// A JSON body. `text` is JSON already.
Reply JsonReply(int status, std::string text);
// {"error": message}
Reply ErrorReply(int status, std::string_view message);

// The bytes to send. The answer to HEAD has the length of its body, but not the body.
std::string Serialize(const Reply& reply, bool keep_alive, bool head);

}  // namespace apk::inspector
