// Writes responses; all values in them are ours.
#include "data-plane/inspector/reply.h"

#include <nlohmann/json.hpp>

#include "common/strings.h"

namespace apk::inspector {
namespace {

std::string_view Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 421:
      return "Misdirected Request";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

}  // namespace

Reply JsonReply(int status, std::string text) {
  Reply reply;
  reply.status = status;
  reply.headers.emplace_back("Content-Type", "application/json");
  reply.body = std::move(text);
  reply.body += '\n';
  return reply;
}

Reply ErrorReply(int status, std::string_view message) {
  const nlohmann::ordered_json error = {{"error", message}};
  return JsonReply(status, error.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string Serialize(const Reply& reply, bool keep_alive, bool head) {
  std::string bytes =
      Concat("HTTP/1.1 ", std::to_string(reply.status), " ", Reason(reply.status), "\r\n");
  for (const auto& [name, value] : reply.headers) bytes += Concat(name, ": ", value, "\r\n");
  if (reply.status != 204)
    bytes += Concat("Content-Length: ", std::to_string(reply.body.size()), "\r\n");
  if (!keep_alive) bytes += "Connection: close\r\n";
  bytes += "\r\n";
  if (!head && reply.status != 204) bytes += reply.body;
  return bytes;
}

}  // namespace apk::inspector
